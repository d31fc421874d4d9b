"""Slices: row ranges of a part that are measured and committed one by one."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SLICE_BYTES = 8 << 20
"""A slice ends once the texts in it hold so many bytes, however few they are."""

SLICES = "_slices"
"""The folder of a stage's slices, beside its parts."""

_NAME = re.compile(r"\d+\.(\d+)-(\d+)\.parquet")


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive rows of a part, from `start` up to `end`."""

    number: int
    start: int
    end: int

    @property
    def name(self) -> str:
        """The name of its object: one cut otherwise has another."""
        return f"{self.number:06d}.{self.start}-{self.end}.parquet"


def parse_name(name: str) -> tuple[int, int] | None:
    """The rows, from and up to, of the slice whose object has this name; None for another one."""
    found = _NAME.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None


def slices_folder(stage: str, fingerprint: str, part: str) -> str:
    """Where the slices of a part lie, in a folder for each key."""
    return f"columns/{stage}/{fingerprint}/{SLICES}/{part}"


def cut_slices(
    wanted: npt.NDArray[np.bool_], sizes: npt.NDArray[np.int64], most_rows: int
) -> list[Slice]:
    """Cut a part, by the rows to be measured and the bytes of their texts alone.

    Rows that are not measured are in the slice of those before them.
    """
    rows = np.cumsum(wanted)
    held = np.cumsum(np.where(wanted, sizes, 0))
    found: list[Slice] = []
    start = 0
    while start < len(wanted):
        rows_before, held_before = (rows[start - 1], held[start - 1]) if start else (0, 0)
        full = np.searchsorted(rows, rows_before + most_rows)
        heavy = np.searchsorted(held, held_before + SLICE_BYTES)
        last = min(int(full), int(heavy), len(wanted) - 1)
        # The next slice begins with the next row to be measured.
        end = int(np.searchsorted(rows, rows[last] + 1))
        found.append(Slice(len(found), start, end))
        start = end
    return found


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive rows of one row group."""

    group: int
    start: int
    rows: int


def spans(groups: Sequence[int], start: int, end: int) -> Iterator[Span]:
    """The rows from `start` up to `end` by row group, of groups of so many rows each."""
    first = 0
    for group, rows in enumerate(groups):
        left, right = max(start, first), min(end, first + rows)
        if left < right:
            yield Span(group, left - first, right - left)
        first += rows
