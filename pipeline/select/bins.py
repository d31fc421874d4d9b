"""Radix bins: integer sums that tell, ever more closely, where a stratum's budget ends."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from pipeline.select.bits import DIGIT, LEVELS, place_key
from pipeline.select.fits import Fitted
from pipeline.select.summaries import Bins, Summary

__all__ = ["Cut", "Focus", "Plan", "Stratum", "Summary", "descend", "place_key"]


@dataclass(frozen=True)
class Cut:
    """Where a stratum's selection ends; `copies` of every row, one more from `cut` upwards."""

    stratum: str
    wanted: int | None
    available: int
    available_documents: int
    achieved: int
    achieved_documents: int
    copies: int
    cut: str
    """The smallest 128-bit place that is taken once more, as 32 hex digits; `none` for none."""


@dataclass(frozen=True)
class Plan:
    """Every stratum's cut, in the order of the strata's keys."""

    strata: tuple[Cut, ...]
    fitted: Fitted = field(default_factory=dict)
    """What was found out of the pools, and frozen: by what it is of, and by stratum."""

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        fitted = {"fitted": self.fitted} if self.fitted else {}
        return {"strata": [asdict(cut) for cut in self.strata], **fitted}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Plan":
        """What `to_json` gave."""
        return cls(tuple(Cut(**cut) for cut in told["strata"]), told.get("fitted", {}))


@dataclass(frozen=True)
class Stratum:
    """How far the search for a stratum's cut has come."""

    wanted: int | None
    available: int
    documents: int
    capacity: int
    """Cost of all that the sampler would take once: more than is available where it copies."""
    entries: int
    copies: int
    rest: int
    """Cost that the last, partial copy may have."""
    level: int = 0
    prefix: int = 0
    above: int = 0
    documents_above: int = 0


@dataclass(frozen=True)
class Focus:
    """The bins that the next summary looks into; empty at the first, which takes in all."""

    strata: Mapping[str, Stratum] = field(default_factory=dict)
    done: tuple[Cut, ...] = ()

    @property
    def depths(self) -> dict[str, tuple[int, int]]:
        """Level and prefix of each stratum that is looked into."""
        return {name: (state.level, state.prefix) for name, state in self.strata.items()}


def descend(stratum: str, state: Stratum, bins: Bins | None) -> "Cut | Stratum":
    """Walk the bins from the top until the budget ends in one: that is the next to look into."""
    if state.copies and not state.rest:
        # Whole copies are all there is: rows that cost nothing don't come once more.
        return _cut(stratum, state, state.above, state.documents_above, 1 << 128)
    bins = np.zeros((0, 5), np.uint64) if bins is None else bins
    falling = bins[::-1]
    reached = np.cumsum(falling[:, 2].astype(np.int64)) + state.above
    at = int(np.searchsorted(reached, state.rest, "right"))
    above = int(reached[at - 1]) if at else state.above
    documents = state.documents_above + int(falling[:at, 1].sum())
    shift = 128 - DIGIT * (state.level + 1)
    if at == len(falling):
        return _cut(stratum, state, above, documents, state.prefix << (shift + DIGIT))
    place, count, _, lowest, highest = (int(value) for value in falling[at])
    prefix = (state.prefix << DIGIT) | place
    if count == 1 or state.level + 1 == LEVELS:
        return _cut(stratum, state, above, documents, (prefix + 1) << shift)
    level = state.level + 1
    half = LEVELS // 2
    if level < half:
        # What all keys of the bin begin with need not be looked at digit by digit.
        same = 64 - (lowest ^ highest).bit_length()
        level = max(level, same // DIGIT)
        prefix = lowest >> (64 - DIGIT * level)
    return replace(state, level=level, prefix=prefix, above=above, documents_above=documents)


def _cut(stratum: str, state: Stratum, above: int, documents: int, place: int) -> Cut:
    return Cut(
        stratum,
        state.wanted,
        state.available,
        state.documents,
        state.copies * state.capacity + above,
        state.copies * state.entries + documents,
        state.copies,
        f"{place:032x}" if documents and place < 1 << 128 else "none",
    )
