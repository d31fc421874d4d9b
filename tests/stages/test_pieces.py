"""The search for a row that hangs or kills a stage: which pieces, and how long each may take."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stages import Brittle, Sliced, make_part, task_for, work_for

from pipeline.stages.isolated import IsolatedStage
from pipeline.stages.pieces import Pieces, time_limit
from pipeline.stages.sliced import SlicedPart
from raters.perplexity import Perplexity
from schemas.errors import WinnowError


class Patient(Brittle):
    """A stage whose batches may take long, and single rows may not."""

    seconds: ClassVar[float] = 600

    def least_seconds(self) -> float:
        """Of a row."""
        return 60


def batch_of(texts: Sequence[str]) -> pa.RecordBatch:
    return pa.record_batch([pa.array(texts, pa.string())], ["text"])


def searched(pieces: Pieces, rows: int, bad: int) -> Iterator[float]:
    """The limits that pass before a row that hangs is found."""
    pending = [(0, rows)]
    while pending:
        start, end = pending.pop()
        if not start <= bad < end:
            continue
        yield pieces.limit(start, end)
        if end - start > 1:
            pending += pieces.cut(start, end)


SIZES = st.lists(st.sampled_from([0, 1, 10, 1000, 50_000]), min_size=1, max_size=300)


@settings(deadline=None)
@given(SIZES, st.data())
def test_a_cut_covers_every_row_once_and_leaves_heavy_rows_alone(
    sizes: list[int], data: st.DataObject
) -> None:
    pieces = Pieces(Patient(), batch_of(["x" * size for size in sizes]))
    start = data.draw(st.integers(0, len(sizes) - 1))
    end = data.draw(st.integers(start + 1, len(sizes)))
    found = [*pieces.cut(start, end)]
    assert [row for some in found for row in range(*some)] == [*range(start, end)]
    assert len(found) > 1 or end - start == 1
    assert len(found) <= 32
    whole = sum(64 + size for size in sizes[start:end])
    for first, last in found:
        assert last - first == 1 or sum(64 + s for s in sizes[first:last]) * 16 <= whole


@settings(deadline=None)
@given(SIZES, st.data())
def test_a_row_that_hangs_costs_about_two_limits(sizes: list[int], data: st.DataObject) -> None:
    batch = batch_of(["x" * size for size in sizes])
    bad = data.draw(st.integers(0, len(sizes) - 1))
    spent = [*searched(Pieces(Patient(), batch), len(sizes), bad)]
    assert spent[0] == time_limit(Patient(), batch) >= 600
    assert min(spent) >= 60
    assert sum(spent) <= 2 * spent[0] + 2 * 60


def test_no_limit_is_shorter_than_what_a_document_may_wait_for() -> None:
    plain = Perplexity(engine="torch")
    waiting = Perplexity(engine="server", url="http://here/v1", patience=5000, timeout=50)
    small = batch_of(["a"])
    assert time_limit(plain, small) >= 600
    assert time_limit(waiting, small) >= 5050
    pieces = Pieces(waiting, batch_of(["a"] * 100))
    assert pieces.limit(3, 4) >= 5050
    assert Pieces(plain, batch_of(["a"] * 100)).limit(3, 4) < 300


class Quick(Brittle):
    """A stage of which a batch may take most of a second, and a row less."""

    seconds: ClassVar[float] = 0.8

    def least_seconds(self) -> float:
        """Of a row."""
        return 0.3


def test_rows_that_hang_are_found_within_their_own_limits() -> None:
    told: list[str] = []
    with IsolatedStage(Quick()) as isolated:
        result, lost = isolated.apply(batch_of(["hang"] * 2), lambda c: told.append(str(c)))
    assert (result, lost) == (None, {0: "timeout", 1: "timeout"})
    assert told == ["no end after 0 s"] * 2


class Slow(Sliced):
    """A stage that nothing hurries."""

    seconds: ClassVar[float] = 60


def test_lost_rows_are_counted_over_all_workers_of_a_part(tmp_path: Path) -> None:
    """Each of them alone has lost few; who comes after them counts what they have committed."""
    part = make_part(tmp_path, ["raise", "a", "raise"] * 6, 18)
    task = task_for(tmp_path, part, work_for(Slow()))
    for number in range(5):
        with SlicedPart(task) as sliced, IsolatedStage(Slow()) as isolated:
            assert sliced.measure(sliced.slices[number], isolated).computed == 3
    with (
        SlicedPart(task) as sliced,
        IsolatedStage(Slow()) as isolated,
        pytest.raises(WinnowError, match="stage brittle fails on 11 rows of part"),
    ):
        sliced.measure(sliced.slices[5], isolated)
