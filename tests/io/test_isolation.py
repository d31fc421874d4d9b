"""Records that their reader does not survive, and files that fail while they are read."""

import io
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.formats import http, reasons, texts, warc
from support.traps import install_trap

from pipeline.io import reading
from pipeline.io.ingest import IngestTask, run_ingest_task
from pipeline.io.inputs import InputFile, Unit
from pipeline.io.isolation import MOST_IN_A_ROW, read_isolated
from pipeline.io.reading import read_unit
from pipeline.io.records import Outcome, ReadOptions, Reject
from pipeline.io.store import open_store
from pipeline.io.workspace import Workspace
from schemas.errors import WinnowError

QUICK = ReadOptions(record_seconds=1.0)


@pytest.fixture(autouse=True)
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return install_trap(tmp_path, monkeypatch)


def unit(folder: Path, words: Sequence[str]) -> Unit:
    path = folder / "x.trap"
    path.write_text("".join(f"{word}\n" for word in words))
    stat = path.stat()
    stamp = str(stat.st_mtime_ns)
    return Unit(InputFile("s", path.name, str(path), stat.st_size, stamp, "trap"), 0, -1)


def isolated(folder: Path, *words: str, skip: int = 0) -> list[Outcome]:
    return list(read_isolated(unit(folder, words), QUICK, skip))


def in_python(call: str, given: object) -> "subprocess.CompletedProcess[bytes]":
    """A Python of its own that makes a call with what is given."""
    script = f"import pickle, sys\nsys.path[:], given = pickle.load(sys.stdin.buffer)\n{call}"
    command = [sys.executable, "-c", script]
    return subprocess.run(command, input=pickle.dumps((sys.path, given)), stdout=subprocess.PIPE)


def test_without_a_culprit_isolation_changes_nothing(tmp_path: Path) -> None:
    words = ["a", "reject", "b", "c"]
    for skip in range(6):
        plain = list(read_unit(unit(tmp_path, words), QUICK, skip))
        assert isolated(tmp_path, *words, skip=skip) == plain


@pytest.mark.parametrize(
    ("word", "reason", "told"),
    [
        ("crash", "crashed", "record 2 of the range that begins at 0: exit status -11"),
        ("raise", "crashed", "record 2 of the range that begins at 0: RuntimeError: a defect"),
        ("hang", "timeout", "record 2 of the range that begins at 0: it takes too long"),
        ("sleep", "timeout", "record 2 of the range that begins at 0: it takes too long"),
    ],
)
def test_a_culprit_is_one_reject_and_the_rest_goes_on(
    tmp_path: Path, word: str, reason: str, told: str
) -> None:
    found = isolated(tmp_path, "a", word, word, "b", "reject", "c")
    assert texts(found) == ["a", "b", "c"]
    assert reasons(found) == [reason, reason, "unlucky"]
    assert found[1] == Reject(-1, None, reason, told)


def test_a_record_at_which_others_kill_the_reader_is_no_culprit(tmp_path: Path) -> None:
    once = f"once {tmp_path / 'ledger'}"
    found = isolated(tmp_path, "a", once, "killed", "b")
    assert (tmp_path / "ledger").exists()
    assert texts(found) == ["a", once, "b"]
    assert found[2] == Reject(
        -1, None, "crashed", "record 3 of the range that begins at 0: exit status -9"
    )


def test_a_range_that_nothing_gets_past_is_given_up(tmp_path: Path) -> None:
    found = isolated(tmp_path, "a", "stuck", *("b" * 20))
    assert texts(found) == ["a"]
    assert reasons(found) == ["crashed"] * MOST_IN_A_ROW
    assert isinstance(found[-1], Reject)
    assert "given up" in (found[-1].detail or "")


def test_a_hang_ends_the_first_attempt(tmp_path: Path) -> None:
    call = (
        "from pipeline.io.reading import read_unit\n"
        "for outcome in read_unit(*given, 0): print(outcome.text, flush=True)"
    )
    done = in_python(call, (unit(tmp_path, ["a", "hang", "b"]), QUICK))
    assert (done.stdout, done.returncode) == (b"a\n", -signal.SIGALRM)


def test_time_that_others_take_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            time.sleep(0.3)
            return super().read(size)

    monkeypatch.setattr(reading, "open_input", lambda location: Slow(location))
    for _ in read_unit(unit(tmp_path, "abcde"), ReadOptions(record_seconds=0.2), 0):
        time.sleep(0.3)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


class Failing(io.BytesIO):
    """A file whose disk fails half way."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= len(self.getbuffer()) // 2:
            raise OSError(5, "Input/output error")
        half = len(self.getbuffer()) // 2 - self.tell()
        return super().read(min(half, size if size and size > 0 else half))


@pytest.mark.parametrize("kind", ["jsonl", "text", "html", "warc", "parquet"])
def test_a_failing_disk_is_no_bad_record(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": [os.urandom(300).hex() for _ in range(3000)]}), sink)
    content = {
        "jsonl": json.dumps({"text": "x"}).encode() + b"\n",
        "text": b"words\n",
        "html": b"<p>words",
        "warc": warc(http(b"<p>words")),
    }.get(kind, b"")
    data = sink.getvalue() if kind == "parquet" else content * (3_000_000 // len(content))
    monkeypatch.setattr(reading, "open_input", lambda _: cast("BinaryIO", Failing(data)))
    file = InputFile("s", "x", "the/file", len(data), "1", kind)
    with pytest.raises(WinnowError, match="the/file can't be read any further"):
        list(read_unit(Unit(file, 0, -1), ReadOptions(), 0))


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    gone = unit(tmp_path, ["a"])
    Path(gone.file.location).unlink()
    for read in (read_unit, read_isolated):
        with pytest.raises(WinnowError, match=r"x\.trap can't be read .*restore it"):
            list(read(gone, QUICK, 0))


def test_a_task_goes_on_after_its_committed_pieces_past_a_culprit(tmp_path: Path) -> None:
    words = [f"{'word ' * 40}{number}" for number in range(60)]
    words[25], words[40] = "crash", "hang"
    work = str(tmp_path / "work")
    Workspace(open_store(work)).create()
    task = IngestTask(work, 1, 0, (unit(tmp_path, words),), QUICK, 2000)
    call = "from pipeline.io.ingest import run_ingest_task; run_ingest_task(given)"
    assert in_python(call, task).returncode == -signal.SIGSEGV
    committed = sorted(Path(work, "documents").glob("*.parquet"))
    before = {path: path.read_bytes() for path in committed}
    assert len(before) > 1
    record = run_ingest_task(task, attempt=1)
    assert {path: path.read_bytes() for path in before} == before
    assert record["made"] == len(list(Path(work, "documents").glob("*.parquet"))) - len(before)
    (tally,) = cast("list[dict[str, object]]", record["tallies"])
    assert tally["rejects"] == {"crashed": 1, "timeout": 1}
    assert (tally["records"], tally["documents"]) == (60, 58)
    kept = pa.concat_tables(map(pq.read_table, sorted(Path(work, "documents").glob("*.parquet"))))
    assert kept["text"].to_pylist() == [w for w in words if w not in ("crash", "hang")]
    turned_away = pa.concat_tables(map(pq.read_table, sorted(Path(work).glob("rejects/*/*"))))
    assert turned_away["reason"].to_pylist() == ["crashed", "timeout"]
