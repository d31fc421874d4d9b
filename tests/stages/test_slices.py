"""A part measured in slices: the cut, what is kept, and who does what when several are at it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stages import Sliced, make_part, task_for, work_for

from pipeline.io.beside import Address, InForce
from pipeline.io.parts import PartWriter
from pipeline.io.store import open_store
from pipeline.io.workspace import columns_path
from pipeline.stages.isolated import IDLE, CulpritError, IsolatedStage
from pipeline.stages.sharing import measure_shared
from pipeline.stages.sliced import SlicedPart
from pipeline.stages.slices import SLICE_BYTES, cut_slices
from pipeline.stages.sweep import MapWork, Measured, SweepTask, sweep
from schemas.errors import WinnowError
from schemas.tables import DOCUMENTS

FIELDS = {"n_chars": DOCUMENTS.field("n_chars")}


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([1, 1000, SLICE_BYTES // 2, SLICE_BYTES]))),
    st.integers(1, 5),
)
def test_a_cut_covers_every_row_once_and_keeps_within_its_limits(
    rows: list[tuple[bool, int]], most: int
) -> None:
    wanted = np.array([row[0] for row in rows], bool)
    sizes = np.array([row[1] for row in rows], np.int64)
    found = cut_slices(wanted, sizes, most)
    assert [row for s in found for row in range(s.start, s.end)] == list(range(len(rows)))
    assert [s.number for s in found] == list(range(len(found)))
    for piece in found:
        inside = [size for want, size in rows[piece.start : piece.end] if want]
        assert len(inside) <= most
        assert sum(inside[:-1]) < SLICE_BYTES
        full = len(inside) == most or sum(inside) >= SLICE_BYTES
        assert full or piece is found[-1]
        assert inside or len(found) == 1


def read(folder: Path, work: MapWork, measured: Measured) -> list[tuple[object, object]]:
    """Length and status of each row of a column part."""
    path = columns_path(work.name, work.fingerprint, measured.part.part, measured.part.key)
    table = pq.read_table(folder / path)
    return list(zip(*(table.column(n).to_pylist() for n in ("length", work.status)), strict=True))


def column_file(folder: Path) -> bytes:
    """The only column part's bytes."""
    (path,) = folder.glob("columns/*/*/*.parquet")
    return path.read_bytes()


def slice_files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every slice, by what tells whether it was written again."""
    found = folder.glob("columns/*/*/_slices/*/*/*.parquet")
    return {str(p.relative_to(folder)): (p.stat().st_ino, p.read_bytes()) for p in found}


TEXTS = ["a", "bb", "", "dddd", "e", "ffffff", "g", "hh", "iii", "j", "kk", "l", "m"]


def test_slices_put_together_are_the_part_measured_whole(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    work = work_for(Sliced(), "n_chars <> 2", FIELDS)
    for group in (1, 4, 5, 100):
        (one,) = sweep(
            task_for(whole / str(group), make_part(whole / str(group), TEXTS, group), work)
        )
        here = cut / str(group)
        (other,) = measure_shared(task_for(here, make_part(here, TEXTS, group), work), {})
        assert other == one
        assert (other.computed, other.kept, other.doubled) == (10, 0, 0)
        assert column_file(here) == column_file(whole / str(group))
        assert len(slice_files(here)) == 4
        assert not list(here.rglob("*.lease.*"))


def test_a_part_without_rows_is_measured(tmp_path: Path) -> None:
    part = make_part(tmp_path, [])
    (done,) = measure_shared(task_for(tmp_path, part, work_for(Sliced())), {})
    assert (done.part.rows, done.computed, done.made) == (0, 0, True)


def test_what_was_measured_is_never_measured_again(tmp_path: Path) -> None:
    part = make_part(tmp_path, [*TEXTS, "raise"], 5)
    narrow = work_for(Sliced(), "n_chars < 2", FIELDS)
    (first,) = measure_shared(task_for(tmp_path, part, narrow), {})
    assert first.computed == 7
    wide = work_for(Sliced(), "n_chars < 4", FIELDS)
    (second,) = measure_shared(task_for(tmp_path, part, wide, brittle=first.part.key), {})
    assert (second.computed, second.kept) == (4, 7)
    assert read(tmp_path, wide, second)[:4] == [(1, "ok"), (2, "ok"), (0, "ok"), (None, "skipped")]
    again = measure_shared(task_for(tmp_path, part, wide), {})
    assert again == [Measured(second.stage, second.part, 0, 0, False)]


def test_slices_that_were_never_put_together_are_kept_under_another_cut(tmp_path: Path) -> None:
    part = make_part(tmp_path, TEXTS, 4)
    some = task_for(tmp_path, part, work_for(Sliced(), "n_chars < 3", FIELDS))
    with SlicedPart(some) as sliced, IsolatedStage(Sliced()) as isolated:
        done = [sliced.measure(piece, isolated) for piece in sliced.slices[1:3]]
        assert [d.computed for d in done] == [3, 3]
    work = work_for(Sliced(slice_rows=4), "n_chars < 5", FIELDS)
    (whole,) = measure_shared(task_for(tmp_path, part, work), {})
    assert (whole.computed, whole.kept) == (12 - 6, 6)
    expected = [(len(t), "ok") if len(t) < 5 else (None, "skipped") for t in TEXTS]
    assert read(tmp_path, work, whole) == expected


def test_rows_that_the_stage_does_not_survive_are_found(tmp_path: Path) -> None:
    texts = ["one", "raise", "print", "four", "segfault", "", "exit", "hang", "nine", "x" * 5000]
    part, work = make_part(tmp_path, texts, 6), work_for(Sliced(slice_rows=4))
    (done,) = measure_shared(task_for(tmp_path, part, work), {})
    lost = {"raise": "crashed", "segfault": "crashed", "exit": "crashed", "hang": "timeout"}
    expected = [(None, lost[t]) if t in lost else (len(t), "ok") for t in texts]
    assert read(tmp_path, work, done) == expected
    assert json.loads(done.part.statistics)["status"] == {"crashed": 3, "ok": 6, "timeout": 1}


def test_a_stage_that_fails_everywhere_fails_the_part_and_keeps_no_such_slice(
    tmp_path: Path,
) -> None:
    part = make_part(tmp_path, ["a"] * 4 + ["raise"] * 40, 20)
    with pytest.raises(WinnowError, match=r"stage brittle fails on 11 rows .* that is the stage"):
        measure_shared(task_for(tmp_path, part, work_for(Sliced(slice_rows=4))), {})
    assert len(slice_files(tmp_path)) == 3
    assert not list(tmp_path.rglob("*.lease.*"))


def test_what_the_stage_depends_on_being_out_of_order_is_no_document_s_fault(
    tmp_path: Path,
) -> None:
    part = make_part(tmp_path, ["a", "b", "c", "outage", "d"])
    with pytest.raises(WinnowError, match=r"^the server at http://here does not answer$"):
        measure_shared(task_for(tmp_path, part, work_for(Sliced(slice_rows=2))), {})
    assert len(slice_files(tmp_path)) == 1


def test_a_model_that_does_not_load_is_no_document_s_fault(tmp_path: Path) -> None:
    part = make_part(tmp_path, ["a"])
    broken = (
        (Sliced(broken="raise"), "OSError: no such model"),
        (Sliced(broken="exit"), "ended with code 5"),
    )
    for stage, why in broken:
        work = work_for(stage)
        with pytest.raises(WinnowError, match=f"brittle needs does not load: .*{why}"):
            measure_shared(task_for(tmp_path, part, work), {})
    assert not slice_files(tmp_path)


def test_copies_are_marked_and_not_measured(tmp_path: Path) -> None:
    task = with_copies(tmp_path, {3: 1, 5: 2, 12: 11, 7: 0}, "n_chars <> 2")
    (done,) = measure_shared(task, {})
    found = read(tmp_path, task.stages[0], done)
    assert [row for row, (_, told) in enumerate(found) if told == "copied"] == [3, 5, 12]
    assert found[7] == (None, "skipped")
    assert done.computed == 10 - 3
    # One more is found to be a copy, and one is none any more.
    task = with_copies(tmp_path, {3: 1, 5: 2, 11: 12}, "n_chars <> 2", brittle=done.part.key)
    (later,) = measure_shared(task, {})
    assert (later.computed, later.kept) == (1, 6)
    assert read(tmp_path, task.stages[0], later)[11:] == [(None, "copied"), (1, "ok")]


def with_copies(folder: Path, copies: dict[int, int], where: str, **earlier: str) -> SweepTask:
    """A part beside which a stage says which rows are copies of which."""
    part = make_part(folder, TEXTS, 5)
    schema = pa.schema([("exact_duplicate_of", pa.string())])
    key = f"{len(copies)}{max(copies):x}".rjust(16, "0")
    store = open_store(str(folder))
    with PartWriter(store, columns_path("dedup", "f", part.part, key), schema) as writer:
        for start in range(0, len(TEXTS), 5):
            rows = range(start, min(start + 5, len(TEXTS)))
            named = [f"{copies[row]:032x}" if row in copies else None for row in rows]
            ids = pa.array([f"{row:032x}" for row in rows])
            writer.write(
                pa.RecordBatch.from_arrays([pa.array(named, pa.string())], schema=schema), ids
            )
        footer, _ = writer.commit({}, "test")
    work = work_for(Sliced(), where, FIELDS)
    work = replace(work, copy_of=Address("dedup", "exact_duplicate_of"))
    task = task_for(folder, part, work, **earlier)
    return replace(task, in_force={"dedup": InForce("f", key, footer.digest)})


def test_a_child_ends_when_nothing_is_asked_of_it_and_is_replaced() -> None:
    batch = pa.record_batch([pa.array(["a"], pa.string())], ["text"])
    told: list[CulpritError] = []
    with IsolatedStage(Sliced(), {IDLE: "0.5"}) as isolated:
        for _ in range(2):
            result, lost = isolated.apply(batch, told.append)
            assert result is not None
            assert (result.column("length").to_pylist(), lost) == ([1], {})
            child = isolated._child
            assert child is not None
            assert child.wait(30) == 0
    assert not told
