"""Workers that rate one workspace together, killed, paused and stopped: nothing shows of it.

The stage and the engine are real, the model is tiny. WINNOW_FULL_FAULTS=1 kills one of two workers
at every step.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, command, contents, differing, here, make_documents, winnow, write_jsonl
from support.models import write_model
from support.stages import make_documents_part

from pipeline.io.faults import SLICE_POINTS
from pipeline.io.store import open_store
from pipeline.io.workspace import Workspace

POINTS = (*SLICE_POINTS, "map.index", "map.stage")
STEPS = [f"{point}.{when}" for point in POINTS for when in ("before", "after")]
FULL = bool(os.environ.get("WINNOW_FULL_FAULTS"))
TOGETHER = STEPS if FULL else ["lease.take.after", "slice.part.before", "slice.assembly.before"]

CONFIGURATION = """\
workspace: ./work
sources: [{name: one, path: "*.jsonl"}]
stages:
  - perplexity: {model: ./model, slice_rows: 4, where: "n_chars > 0"}
"""
PARTS, EACH = 3, 12


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration, and a workspace of three small parts to copy."""
    folder = tmp_path_factory.mktemp("rating")
    (folder / "model").mkdir()
    write_model(folder / "model")
    (folder / "winnow.yaml").write_text(CONFIGURATION)
    texts = [document["text"][:200] for document in make_documents(3, PARTS * EACH)]
    write_workspace(folder / "empty", [texts[at::PARTS] for at in range(PARTS)])
    return folder / "winnow.yaml"


def write_workspace(folder: Path, parts: list[list[str]]) -> None:
    """A workspace of documents alone, as ingest leaves it."""
    workspace = Workspace(open_store(str(folder)))
    workspace.create()
    made = []
    for number, texts in enumerate(parts):
        documents = [{"id": f"{number:016x}{row:016x}", "text": t} for row, t in enumerate(texts)]
        made.append(make_documents_part(folder, f"000001-{number:06d}-0000", documents, 5))
    count = sum(map(len, parts))
    record = {"documents": count, "inputs": [], "read": {}, "share": 1.0, "replaces": False}
    workspace.commit_generation(1, made, record)


@pytest.fixture
def work(corpus: Path, tmp_path: Path) -> Path:
    """A workspace in which nothing is rated yet."""
    return Path(shutil.copytree(corpus.parent / "empty", tmp_path / "work"))


@pytest.fixture(scope="module")
def undisturbed(corpus: Path) -> Path:
    """The workspace that one worker rates without being disturbed."""
    work = Path(shutil.copytree(corpus.parent / "empty", corpus.parent / "undisturbed"))
    figures = rated(finish(corpus, work))
    assert figures["computed"] + 0 == sum(len(t) > 0 for t in texts_of(work))
    assert figures["doubled"] == 0
    return work


def texts_of(work: Path) -> list[str]:
    """All texts of a workspace."""
    import pyarrow.parquet as pq

    tables = [pq.read_table(path) for path in sorted((work / "documents").glob("*.parquet"))]
    return [text for table in tables for text in table.column("text").to_pylist()]


def start(corpus: Path, work: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    """A worker, whose leases are short."""
    settings = {"PYTHONPATH": str(ROOT), "WINNOW_LEASE_SECONDS": "1.2", **environment}
    return subprocess.Popen(
        command("rate-worker", str(corpus), "--set", f"workspace={work}", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **settings},
    )


def finish(corpus: Path, work: Path) -> dict[str, Any]:
    """What a worker says that rates all that is left."""
    worker = start(corpus, work, "--json")
    return outcome(worker)


def outcome(worker: subprocess.Popen[str]) -> dict[str, Any]:
    """What a worker says that ends well."""
    printed, errors = worker.communicate(timeout=300)
    assert worker.returncode == 0, errors
    found: dict[str, Any] = json.loads(printed)
    return found


def rated(told: dict[str, Any]) -> dict[str, Any]:
    """The figures of the only stage."""
    (figures,) = told["stages"]
    return dict(figures)


def slices(work: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every slice, by all that tells whether it was written again."""
    return {
        str(path.relative_to(work)): (
            path.stat().st_ino,
            path.stat().st_mtime_ns,
            path.read_bytes(),
        )
        for path in sorted(work.glob("columns/*/*/_slices/*/*/*.parquet"))
    }


def check(work: Path, undisturbed: Path) -> None:
    """The workspace is as if nothing had happened; leases of the dead may lie about."""
    for path in work.rglob("*.lease.*"):
        path.unlink()
    assert differing(work, undisturbed) == []
    assert contents(work)


def wait_for(condition: Callable[[], object], worker: subprocess.Popen[str]) -> None:
    """Wait for something that a worker is about to do."""
    end = time.monotonic() + 120
    while not condition():
        assert worker.poll() is None, worker.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def workers() -> Iterator[list[subprocess.Popen[str]]]:
    """Workers that are ended whatever happens."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for worker in started:
        worker.kill()
        worker.communicate()


def test_killed_at_every_step_in_turn(corpus: Path, undisturbed: Path, work: Path) -> None:
    before: dict[str, tuple[int, int, bytes]] = {}
    for step in STEPS:
        ledger = work.with_name(step)
        worker = start(corpus, work, WINNOW_FAULT=f"{step}:{ledger}")
        _, errors = worker.communicate(timeout=300)
        assert worker.returncode == -signal.SIGKILL, (step, errors)
        assert ledger.exists()
        after = slices(work)
        assert {name: after.get(name) for name in before} == before, step
        before = after
    assert rated(finish(corpus, work))["computed"] == 0
    assert slices(work) == before
    check(work, undisturbed)


@pytest.mark.parametrize("step", TOGETHER)
def test_one_of_two_killed_the_other_rates_the_rest(
    corpus: Path,
    undisturbed: Path,
    work: Path,
    workers: list[subprocess.Popen[str]],
    step: str,
) -> None:
    fault = f"{step}:{work.with_name('ledger')}"
    workers += [start(corpus, work, "--json", WINNOW_FAULT=fault) for _ in range(2)]
    for worker in workers:
        worker.wait(300)
    assert sorted(worker.returncode for worker in workers) == [-signal.SIGKILL, 0]
    check(work, undisturbed)


def test_paused_past_its_lease_a_worker_overwrites_nothing(
    corpus: Path, undisturbed: Path, work: Path, workers: list[subprocess.Popen[str]]
) -> None:
    paused = start(corpus, work, "--json")
    workers.append(paused)
    # It is at work on a slice once it has renewed its lease.
    wait_for(lambda: list(work.rglob("*.lease.[2-9]")), paused)
    paused.send_signal(signal.SIGSTOP)
    assert not slices(work)
    other = rated(finish(corpus, work))
    assert other["in_force"]
    assert other["doubled"] == 0
    before = slices(work)
    paused.send_signal(signal.SIGCONT)
    figures = rated(outcome(paused))
    assert figures["slices"] == 1
    assert figures["computed"] == figures["doubled"] > 0
    assert slices(work) == before
    check(work, undisturbed)


def test_two_share_the_work(
    corpus: Path, undisturbed: Path, work: Path, workers: list[subprocess.Popen[str]]
) -> None:
    workers += [start(corpus, work, "--json") for _ in range(2)]
    found = [rated(outcome(worker)) for worker in workers]
    wanted = sum(len(text) > 0 for text in texts_of(work))
    assert sum(each["computed"] - each["doubled"] for each in found) == wanted
    assert all(each["in_force"] and each["done"] == each["documents"] for each in found)
    check(work, undisturbed)


def test_told_to_stop_a_worker_commits_what_it_has(
    corpus: Path, undisturbed: Path, work: Path, workers: list[subprocess.Popen[str]]
) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        worker = start(corpus, work)
        workers.append(worker)
        had = len(slices(work))
        wait_for(lambda: list(work.rglob("*.lease.*")), worker)
        worker.send_signal(number)
        printed, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
        assert "documents are left\nstopped; go on with: winnow rate-worker" in printed
        assert len(slices(work)) == had + 1
        assert not list(work.rglob("*.lease.*"))
    worker = start(corpus, work)
    workers.append(worker)
    wait_for(lambda: list(work.rglob("*.lease.*")), worker)
    worker.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(120) == 0
    assert not list(work.rglob("*.lease.*"))
    finish(corpus, work)
    check(work, undisturbed)


POISON = """
import os, signal
import raters.perplexity as module

encode = module.encode

def trap(text, *rest):
    if "poison" in text:
        os.kill(os.getpid(), signal.SIGSEGV)
    return encode(text, *rest)

module.encode = trap
"""


def test_a_document_that_kills_the_engine_is_marked(corpus: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    work = tmp_path / "work"
    texts = ["some words", "other words", "poison", "more words", "", "and more", "the end"]
    write_workspace(work, [texts])
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(POISON)
    worker = start(corpus, work, "--json", PYTHONPATH=f"{tmp_path / 'site'}:{ROOT}")
    assert rated(outcome(worker))["computed"] == 6
    (path,) = work.glob("columns/perplexity/*/*.parquet")
    found = pq.read_table(path)
    told = found.column("perplexity_status").to_pylist()
    assert told == ["ok", "ok", "crashed", "ok", "skipped", "ok", "ok"]
    assert found.column("n_scored_tokens").to_pylist()[:4] == [10, 11, None, 10]


def test_what_comes_first_is_said(corpus: Path, tmp_path: Path) -> None:
    later = corpus.with_name("later.yaml")
    tokens = CONFIGURATION.replace("stages:", "stages:\n  - tokens: {}").replace(
        "n_chars", "n_tokens"
    )
    later.write_text(tokens)
    work = Path(shutil.copytree(corpus.parent / "empty", tmp_path / "work"))
    done = winnow("rate-worker", str(later), "--set", f"workspace={work}")
    assert done.returncode == 1
    assert f"measure first: winnow run {later} --until tokens" in done.stderr
    done = winnow("rate-worker", str(later), "--set", f"workspace={work}", "--stage", "perplexty")
    assert done.returncode == 2
    assert "did you mean 'perplexity'?" in done.stderr


def test_clean_takes_slices_once_their_part_is_in_force(
    corpus: Path, undisturbed: Path, work: Path
) -> None:
    worker = start(corpus, work, WINNOW_FAULT=f"map.index.before:{work.with_name('ledger')}")
    assert worker.wait(300) == -signal.SIGKILL
    before = contents(work)
    old = time.time() - 7200
    for path in work.rglob("*"):
        os.utime(path, (old, old))
    here("clean", str(work))
    assert contents(work) == before
    finish(corpus, work)
    before = contents(work)
    for path in work.rglob("*"):
        os.utime(path, (old, old))
    here("clean", str(work))
    gone = before.keys() - contents(work).keys()
    assert gone == {name for name in before if "/_slices/" in name}
    assert gone
    assert rated(finish(corpus, work))["documents"] == 0
    assert differing(work, undisturbed) == sorted(gone)


def test_a_dry_run_says_what_is_left_and_how_long_it_takes(corpus: Path, work: Path) -> None:
    write_jsonl(corpus.parent / "one.jsonl", [{"text": "not ingested yet"}])
    words = ["run", str(corpus), "--set", f"workspace={work}", "--dry-run"]
    (told,) = [step for step in json.loads(here(*words, "--json")) if "rating" in step]
    texts = [text for text in texts_of(work) if text]
    assert told["rating"]["documents"] == len(texts)
    assert told["rating"]["seconds"] is None
    worker = start(corpus, work, WINNOW_FAULT=f"slice.part.after:{work.with_name('ledger')}")
    assert worker.wait(300) == -signal.SIGKILL
    before = contents(work)
    told = json.loads(here(*words, "--json", "--calibrate"))[1]["rating"]
    assert told["documents"] == len(texts) - 4
    # Every document is in the sample, and its tokens are its bytes.
    assert told["tokens"] == told["bytes"] < sum(len(text.encode()) for text in texts)
    assert told["sampled"] == told["documents"]
    assert told["seconds"] > 0
    assert told["gpu_hours"] == 0
    assert contents(work) == before
    shown = here(*words)
    assert "to rate, by one worker like this machine" in shown
    assert f"{told['tokens']:,}" in shown
