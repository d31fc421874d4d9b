"""What a command leaves of itself beside the work, and what it says as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, make_corpus, run_json, winnow

from jobs.cli import run
from jobs.configuration import BoundConfiguration, load_configuration
from jobs.record import last_record, recorded
from jobs.submission import submit
from pipeline.io.shipped import build
from pipeline.io.store import open_store
from pipeline.io.workspace import Workspace
from schemas.errors import WinnowError


@pytest.fixture
def bound(tmp_path: Path) -> BoundConfiguration:
    return load_configuration(make_corpus(tmp_path))


def records(work: str | Path) -> list[dict[str, Any]]:
    """All records of a workspace, in order."""
    return [json.loads(path.read_bytes()) for path in sorted(Path(work, "runs").glob("*.json"))]


def test_records_are_numbered_and_say_how_it_ended(bound: BoundConfiguration) -> None:
    Workspace(open_store(bound.workspace)).create()
    with recorded(bound, "run", ["seed=7"]) as record:
        record.figures = {"stages": [{"name": "signals", "computed": 3}]}
    with pytest.raises(WinnowError), recorded(bound, "run", ["a=https://me:secret@host/x"]):
        raise WinnowError("https://host/x?sig=secret can't be read")
    with pytest.raises(KeyboardInterrupt), recorded(bound, "select", []):
        raise KeyboardInterrupt
    done, failed, interrupted = records(bound.workspace)
    assert [r["run"] for r in (done, failed, interrupted)] == [1, 2, 3]
    assert [r["outcome"] for r in (done, failed, interrupted)] == ["done", "failed", "interrupted"]
    assert (done["winnow"], done["stages"][0]["computed"]) == (build(), 3)
    assert done["began"] <= done["ended"]
    assert failed["error"] == "https://host/x?*** can't be read"
    assert "secret" not in json.dumps(failed)
    assert last_record(open_store(bound.workspace)) == interrupted


def test_no_workspace_is_made_for_a_record(bound: BoundConfiguration) -> None:
    with pytest.raises(WinnowError), recorded(bound, "run", []):
        raise WinnowError("before any work")
    assert not Path(bound.workspace).exists()
    assert last_record(open_store(bound.workspace)) is None


@pytest.mark.usefixtures("spark")
def test_a_run_tells_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = make_corpus(tmp_path)
    assert run(["run", str(corpus), "--log-format", "json"]) == 0
    told = capsys.readouterr()
    lines = [json.loads(line) for line in (told.out + told.err).splitlines()]
    assert {"ingest", "stages"} <= {line.get("event") or line["table"] for line in lines}
    assert run(["select", str(corpus), "--set", "mixtures.main.tokens=5_000"]) == 0
    assert run(["select", str(corpus), "--dry-run"]) == 0
    first, second = records(tmp_path / "work")
    assert (first["command"], second["command"]) == ("run", "select")
    assert first["ingest"]["sources"]["one"]["documents"] > 0
    assert {stage["name"]: stage["computed"] for stage in first["stages"]} == dict.fromkeys(
        ("signals", "tokens", "exact_dedup"), first["ingest"]["new_documents"]
    )
    manifest = json.loads((tmp_path / "work/mixtures/main/manifest.json").read_bytes())
    assert second["mixtures"][0]["mixture_digest"] == manifest["mixture_digest"]
    assert second["overrides"] == ["mixtures.main.tokens=5_000"]


def test_a_job_tells_its_errors_as_it_was_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert submit("rate", ["nowhere.yaml", "--log-format", "json"]) == 2
    told = json.loads(capsys.readouterr().err)
    assert (told["event"], told["status"]) == ("error", 2)
    assert "nowhere.yaml: can't be read" in told["message"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "nowhere.yaml"], "nowhere.yaml: can't be read"),
        (["run", "nowhere.yaml", "--nothing"], "unrecognized arguments: --nothing"),
        (["status", "/nowhere"], "is no workspace"),
    ],
)
def test_an_error_is_a_line_of_json(words: list[str], message: str) -> None:
    done = winnow(*words, "--log-format", "json")
    told = json.loads(done.stderr)
    assert (told["event"], told["status"], done.returncode) == ("error", 2, 2)
    assert message in told["message"]


@pytest.mark.slow
def test_a_run_that_fails_says_so_as_json(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path)
    run_json(str(corpus), "--until", "ingest")
    (tmp_path / "one" / "a.jsonl").unlink()
    done = winnow("run", str(corpus), "--log-format", "json")
    assert done.returncode == 2
    elsewhere = f"sources.one.path={ROOT}/examples/sample/messages.jsonl"
    done = winnow("run", str(corpus), "--log-format=json", "--set", elsewhere)
    last = json.loads(done.stderr.splitlines()[-1])
    assert (last["event"], last["status"]) == ("error", 1)
    assert records(tmp_path / "work")[-1]["error"] == last["message"]
