"""Inputs that were touched, and inputs that have changed."""

import itertools
import json
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.io.contents import raw_digest, touched_stamps, whole_digest, with_stamps
from pipeline.io.generations import IngestOptions, claim, commit, make_plan, new_inputs
from pipeline.io.ingest import run_ingest_task
from pipeline.io.inputs import InputFile, Unit, find_inputs
from pipeline.io.records import ReadOptions
from pipeline.io.store import open_store
from pipeline.io.workspace import Workspace
from schemas.errors import WinnowError

OPTIONS = IngestOptions(3000, 0.5, accept_changes=False, read={"s": ReadOptions()})


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name, count in (("a", 100), ("b", 3), ("c", 1)):
        lines = [json.dumps({"text": f"{number} {'word ' * 20}"}) for number in range(count)]
        (tmp_path / f"in/{name}.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def found(folder: Path) -> dict[str, list[InputFile]]:
    return {"s": find_inputs("s", [str(folder / "in")], None)}


def ingest(folder: Path) -> Workspace:
    workspace = Workspace(open_store(str(folder / "work")))
    workspace.create()
    plan = make_plan(new_inputs(workspace.generations(), found(folder), OPTIONS), OPTIONS)
    number = claim(workspace, plan)
    assert number is not None
    tasks = plan.ingest_tasks(workspace.store.root, number)
    assert len(tasks) > 3
    # As tasks end, not as they were begun.
    commit(workspace, number, plan, [run_ingest_task(task) for task in reversed(tasks)])
    return workspace


def touch(path: Path) -> None:
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000))


def contents(workspace: Workspace) -> dict[str, dict[str, object]]:
    (record,) = workspace.generations()
    return {item["path"]: item["content"] for item in record["inputs"]}


def test_files_are_digested_as_they_are_read(corpus: Path) -> None:
    told = contents(ingest(corpus))
    for name in ("b", "c"):
        data = (corpus / f"in/{name}.jsonl").read_bytes()
        assert told[f"{name}.jsonl"] == {"shares": 1, "sha256": sha256(data).hexdigest()}
    data = (corpus / "in/a.jsonl").read_bytes()
    count = int(str(told["a.jsonl"]["shares"]))
    assert count > 3
    marks = [len(data) * number // count for number in range(count + 1)]
    shares = [sha256(data[a:b]).hexdigest() for a, b in itertools.pairwise(marks)]
    assert told["a.jsonl"]["sha256"] == sha256("".join(shares).encode()).hexdigest()


def test_what_was_only_touched_goes_on_and_is_looked_at_once(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = ingest(corpus)
    for name in ("a", "b"):
        touch(corpus / f"in/{name}.jsonl")
    with pytest.raises(WinnowError, match=r"a\.jsonl has changed .* \(and 1 more\)"):
        new_inputs(workspace.generations(), found(corpus), OPTIONS)
    stamps = touched_stamps(workspace.generations(), found(corpus))
    assert {path for _, path, _ in stamps} == {"a.jsonl", "b.jsonl"}
    planned = with_stamps(workspace.generations(), stamps)
    assert new_inputs(planned, found(corpus), OPTIONS) == []
    workspace.note_stamps(stamps)
    assert new_inputs(workspace.generations(), found(corpus), OPTIONS) == []
    monkeypatch.setattr("pipeline.io.contents._hashed", None)
    assert touched_stamps(workspace.generations(), found(corpus)) == {}


def changed(data: bytes) -> Sequence[bytes]:
    return [data[:-3] + b"x" + data[-2:], data[:5] + b"_" + data[6:], data + b"\n", b""]


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("name", ["a", "b"])
def test_what_has_changed_is_an_error_still(corpus: Path, name: str, which: int) -> None:
    workspace = ingest(corpus)
    path = corpus / f"in/{name}.jsonl"
    path.write_bytes(changed(path.read_bytes())[which])
    touch(path)
    assert touched_stamps(workspace.generations(), found(corpus)) == {}
    with pytest.raises(WinnowError, match=f"{name}.jsonl has changed"):
        new_inputs(workspace.generations(), found(corpus), OPTIONS)


def test_stamps_are_those_of_a_content(corpus: Path) -> None:
    workspace = ingest(corpus)
    workspace.note_stamps({("s", "b.jsonl", "0" * 64): "1"})
    assert new_inputs(workspace.generations(), found(corpus), OPTIONS) == []


def test_records_without_digests_and_urls_are_as_they_were(corpus: Path) -> None:
    workspace = ingest(corpus)
    records = workspace.generations()
    for item in records[0]["inputs"]:
        del item["content"]
    touch(corpus / "in/b.jsonl")
    assert touched_stamps(records, found(corpus)) == {}
    file = InputFile("s", "x", "s3://bucket/x", 10, "etag", "jsonl")
    assert raw_digest(Unit(file, 0, -1)) is None


def test_the_digest_of_one_share_is_the_files(corpus: Path) -> None:
    (file, *_) = found(corpus)["s"]
    digest = raw_digest(Unit(file, 0, -1))
    assert digest == sha256(Path(file.location).read_bytes()).hexdigest()
    assert whole_digest([digest]) == digest
