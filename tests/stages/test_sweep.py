"""A sweep over one part: what each row gets, also where a stage crashes, hangs or raises."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stages import Brittle, make_part, task_for, work_for

from pipeline.io.beside import Address, BesideReader, InForce
from pipeline.io.workspace import DocumentsPart
from pipeline.stages import losses
from pipeline.stages.exact_dedup import TextHash
from pipeline.stages.isolated import CulpritError, IsolatedStage
from pipeline.stages.rows import complete, scatter
from pipeline.stages.signals import Signals
from pipeline.stages.sweep import Measured, sweep
from schemas.errors import WinnowError
from schemas.tables import DOCUMENTS

FIELDS = {"n_chars": DOCUMENTS.field("n_chars")}


def rows(
    folder: Path, part: DocumentsPart, measured: Measured, *names: str
) -> list[dict[str, object]]:
    """What the column part holds, read as later stages read it."""
    fingerprint = next((folder / "columns" / measured.stage).glob("[0-9a-f]*")).name
    found = InForce(fingerprint, measured.part.key, measured.part.digest)
    addresses = {name: Address(measured.stage, name) for name in names}
    with BesideReader(str(folder), part, {measured.stage: found}) as reader:
        batches = [reader.read(group, addresses) for group in range(reader.groups)]
    return [row for batch in batches for row in batch.to_pylist()]


def lengths(folder: Path, part: DocumentsPart, measured: Measured) -> list[tuple[object, object]]:
    found = rows(folder, part, measured, "length", "brittle_status")
    return [(row["length"], row["brittle_status"]) for row in found]


def test_every_stage_is_measured_in_one_pass(tmp_path: Path) -> None:
    texts = ["a", "", "ccc", "a b", "a"]
    part = make_part(tmp_path, texts, group=2)
    done = sweep(task_for(tmp_path, part, work_for(Brittle()), work_for(TextHash())))
    assert [m.stage for m in done] == ["brittle", "text_hash"]
    assert all((m.computed, m.kept, m.made, m.part.rows) == (5, 0, True, 5) for m in done)
    assert lengths(tmp_path, part, done[0]) == [(len(t), "ok") for t in texts]
    hashes = [row["text_hash"] for row in rows(tmp_path, part, done[1], "text_hash")]
    assert hashes[0] == hashes[4] != hashes[1]
    again = sweep(task_for(tmp_path, part, work_for(Brittle()), work_for(TextHash())))
    assert [(m.computed, m.made, m.part) for m in again] == [(0, False, m.part) for m in done]


def test_rows_that_go_wrong_are_found_and_the_rest_goes_on(tmp_path: Path) -> None:
    texts = ["one", "raise", "print", "four", "segfault", "", "exit", "hang", "nine", "x" * 5000]
    part = make_part(tmp_path, texts, group=6)
    (done,) = sweep(task_for(tmp_path, part, work_for(Brittle())), attempt=1)
    lost = {"raise": "crashed", "segfault": "crashed", "exit": "crashed", "hang": "timeout"}
    expected = [(None, lost[t]) if t in lost else (len(t), "ok") for t in texts]
    assert lengths(tmp_path, part, done) == expected
    assert done.part.rows == len(texts)
    assert '"status":{"crashed":3,"ok":6,"timeout":1}' in done.part.statistics.replace(" ", "")


def test_the_first_attempt_is_in_the_workers_own_process(tmp_path: Path) -> None:
    part = make_part(tmp_path, ["one", "raise"])
    with pytest.raises(WinnowError, match=r"stage brittle: ArithmeticError in stages\.py:"):
        sweep(task_for(tmp_path, part, work_for(Brittle())))
    assert not (tmp_path / "columns").exists()
    code = (
        "from pathlib import Path; from support.stages import *\n"
        "from pipeline.stages.sweep import sweep\n"
        "folder = Path({folder!r}); part = make_part(folder, ['hang'])\n"
        "sweep(task_for(folder, part, work_for(Brittle())))"
    ).format(folder=str(tmp_path / "own"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
        timeout=60,
    )
    assert done.returncode == 1
    assert "Timeout" in done.stderr


@pytest.mark.parametrize(
    ("bad", "few", "why"),
    [("raise", 10, r"ArithmeticError in stages\.py:[0-9]+"), ("exit", 2, "code 3")],
)
def test_a_stage_that_fails_everywhere_fails_the_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str, few: int, why: str
) -> None:
    assert losses.FEW_LOST == 10
    monkeypatch.setattr(losses, "FEW_LOST", few)
    part = make_part(tmp_path, [bad] * 40, group=20)
    told = rf"stage brittle fails on {few + 1} rows .*{why}"
    with pytest.raises(WinnowError, match=told) as raised:
        sweep(task_for(tmp_path, part, work_for(Brittle())), attempt=1)
    assert "that is the stage, not the rows" in str(raised.value)
    assert "no length for" not in str(raised.value)
    assert not (tmp_path / "columns").exists()


def test_a_share_of_a_large_part_may_fail_but_few_rows_may_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = make_part(tmp_path, ["raise"] * 15 + ["a"] * 1485, group=1000)
    (done,) = sweep(task_for(tmp_path, part, work_for(Brittle())), attempt=1)
    found = Counter(status for _, status in lengths(tmp_path, part, done))
    assert found == {"crashed": 15, "ok": 1485}
    monkeypatch.setattr(losses, "FEW_LOST", 1)
    other = tmp_path / "other"
    part = make_part(other, ["hang"] * 2 + ["a"] * 398, group=2)
    with pytest.raises(WinnowError, match=r"fails on 2 rows .*no end after 2 s"):
        sweep(task_for(other, part, work_for(Brittle())), attempt=1)


def test_where_skips_rows_and_widening_it_keeps_their_values(tmp_path: Path) -> None:
    texts = ["a", "bb", "ccc", "dddd", "eeeee", "raise"]
    part = make_part(tmp_path, texts, group=4)
    narrow = work_for(Brittle(), "n_chars < 3", FIELDS)
    (first,) = sweep(task_for(tmp_path, part, narrow))
    assert (first.computed, first.kept) == (2, 0)
    skipped = (None, "skipped")
    assert lengths(tmp_path, part, first) == [(1, "ok"), (2, "ok"), *[skipped] * 4]
    wide = work_for(Brittle(), "n_chars < 4 or n_chars = 5 and n_chars > 9", FIELDS)
    (second,) = sweep(task_for(tmp_path, part, wide, brittle=first.part.key))
    assert (second.computed, second.kept) == (1, 2)
    assert lengths(tmp_path, part, second) == [(1, "ok"), (2, "ok"), (3, "ok"), *[skipped] * 3]


def test_a_part_without_rows_is_measured(tmp_path: Path) -> None:
    part = make_part(tmp_path, [])
    (done,) = sweep(task_for(tmp_path, part, work_for(Signals())))
    assert (done.part.rows, done.computed, done.made) == (0, 0, True)


@pytest.mark.parametrize("bad", ["raise", "segfault", "exit"])
def test_a_process_is_replaced_and_goes_on(bad: str) -> None:
    told: list[CulpritError] = []
    with IsolatedStage(Brittle()) as isolated:
        for texts in (["a", bad, "ccc"], ["dddd"], [bad], []):
            batch = pa.record_batch([pa.array(texts, pa.string())], ["text"])
            found, lost = isolated.apply(batch, told.append)
            kept = [len(text) for text in texts if text != bad]
            assert (found.column("length").to_pylist() if found else []) == kept
            assert lost == {i: "crashed" for i, text in enumerate(texts) if text == bad}
    assert [error.status for error in told] == ["crashed"] * 2


def test_a_row_at_which_others_kill_the_process_is_no_culprit(tmp_path: Path) -> None:
    ledgers = [tmp_path / name for name in "ab"]
    texts = ["a", *(f"once {ledger}" for ledger in ledgers)]
    with IsolatedStage(Brittle()) as isolated:
        for chosen in (texts[1:2], texts):
            batch = pa.record_batch([pa.array(chosen, pa.string())], ["text"])
            found, lost = isolated.apply(batch)
            assert found is not None
            assert found.column("length").to_pylist() == [len(text) for text in chosen]
            assert lost == {}
    assert all(ledger.exists() for ledger in ledgers)


def test_a_batch_at_which_others_kill_the_process_is_not_cut(tmp_path: Path) -> None:
    sizes: list[int] = []

    class Counted(IsolatedStage):
        def _exchange(self, batch: pa.RecordBatch) -> tuple[int, bytes]:
            sizes.append(len(batch))
            return super()._exchange(batch)

    batch = pa.record_batch([pa.array(["a", f"once {tmp_path / 'x'}"], pa.string())], ["text"])
    with Counted(Brittle()) as isolated:
        isolated.apply(batch)
    assert sizes == [2, 2]


@settings(max_examples=5, deadline=None)
@given(st.lists(st.sampled_from(["a", "bb", "raise"]), max_size=60))
def test_isolated_is_the_stage_but_for_its_culprits(texts: list[str]) -> None:
    with IsolatedStage(Brittle()) as isolated:
        batch = pa.record_batch([pa.array(texts, pa.string())], ["text"])
        result, lost = isolated.apply(batch)
    schema = Brittle().schema().append(pa.field("status", pa.string()))
    found = complete("brittle", schema, result, lost, len(texts))
    assert found.column("length").to_pylist() == [None if t == "raise" else len(t) for t in texts]
    told = ["crashed" if t == "raise" else "ok" for t in texts]
    assert found.column("status").to_pylist() == told


@given(st.data(), st.integers(0, 12))
def test_scattered_rows_stand_in_their_places(data: st.DataObject, rows: int) -> None:
    schema = pa.schema([("value", pa.int64()), ("status", pa.string())])
    owner = data.draw(st.lists(st.sampled_from([None, 0, 1, 2]), min_size=rows, max_size=rows))
    pieces, places = [], []
    for number in range(3):
        mine = [row for row, one in enumerate(owner) if one == number]
        records = [{"value": 10 * row, "status": f"ok{number}"} for row in mine]
        pieces.append(pa.RecordBatch.from_pylist(records, schema))
        places.append(pa.array(mine, pa.uint64()))
    expected = [
        {"value": 10 * row, "status": f"ok{one}"}
        if one is not None
        else {"value": None, "status": "skipped"}
        for row, one in enumerate(owner)
    ]
    assert scatter(pieces, places, rows, schema).to_pylist() == expected


def test_a_stage_that_gives_too_few_rows_is_a_defect() -> None:
    schema = pa.schema([("value", pa.int64()), ("status", pa.string())])
    short = pa.record_batch([pa.array([1])], ["value"])
    with pytest.raises(WinnowError, match="stage x gave 1 rows for 2"):
        complete("x", schema, short, {0: "crashed"}, 3)
    given_ = pa.record_batch([pa.array([1, None]), pa.array(["ok", "empty"])], ["value", "status"])
    found = complete("x", schema, given_, {1: "timeout"}, 3)
    assert found.column("status").to_pylist() == ["ok", "timeout", "empty"]
    assert found.column("value").to_pylist() == [1, None, None]
