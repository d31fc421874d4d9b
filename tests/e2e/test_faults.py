"""Killed at every step of every commit, a run that is started again ends in the same bytes.

One workspace is killed at each point in turn, so that every run goes on from where the last one
died. WINNOW_FULL_FAULTS=1 kills the driver, a Python worker and the JVM at every point of a
workspace of its own instead; WINNOW_KILL_SECONDS lengthens the kills at random moments.
"""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT, command, contents, differing, make_corpus, run_json, winnow

from jobs.record import last_record
from pipeline.io.faults import POINTS
from pipeline.io.store import open_store

STEPS = [f"{point}.{when}" for point in POINTS for when in ("before", "after")]
WORKER_POINTS = (
    "ingest.part",
    "ingest.rejects",
    "ingest.task",
    "map.part",
    "relational.part",
    "write.shard",
)
PRODUCT = [
    (step, target)
    for step in STEPS
    for target in ("driver", "self", "jvm")
    if target == "driver" or step.rpartition(".")[0] in WORKER_POINTS
]
FULL = bool(os.environ.get("WINNOW_FULL_FAULTS"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a tiny corpus."""
    return make_corpus(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def undisturbed(corpus: Path) -> Path:
    """The workspace of a run that nothing disturbed."""
    run_json(str(corpus))
    return corpus.parent / "work"


def kill(corpus: Path, work: Path, step: str, target: str) -> subprocess.CompletedProcess[str]:
    """Run until `step`, where the target dies."""
    ledger = work.with_name(f"{work.name}-{step}-{target}")
    done = winnow(
        "run", str(corpus), "--set", f"workspace={work}",
        WINNOW_FAULT=f"{step}:{ledger}", WINNOW_FAULT_TARGET=target,
    )  # fmt: skip
    assert ledger.exists(), f"{step} was not reached: {done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def finished_files(work: Path) -> dict[str, tuple[int, int]]:
    """Parts, indexes and shards, by what tells whether one was written again."""
    return {
        str(path.relative_to(work)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in work.rglob("*")
        if path.suffix == ".parquet" and "_tmp" not in path.parts
    }


def test_the_driver_killed_at_every_step(corpus: Path, undisturbed: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    before: dict[str, tuple[int, int]] = {}
    for step in STEPS:
        done = kill(corpus, work, step, "driver")
        assert done.returncode == -signal.SIGKILL
        after = finished_files(work)
        assert {name: after.get(name) for name in before} == before, step
        before = after
    figures = run_json(str(corpus), "--set", f"workspace={work}")
    assert [stage["parts_made"] for stage in figures["stages"]] == [0] * len(figures["stages"])
    assert figures["ingest"]["parts_made"] == 0
    assert {**finished_files(work), **before} == finished_files(work)
    assert differing(work, undisturbed) == []


@pytest.mark.parametrize(
    "step",
    ["ingest.part.before", "map.part.after", "relational.part.before", "write.shard.after"],
)
def test_a_worker_killed_is_retried_within_the_run(
    corpus: Path, undisturbed: Path, tmp_path: Path, step: str
) -> None:
    work = tmp_path / "work"
    done = kill(corpus, work, step, "self")
    assert done.returncode == 0, done.stderr
    assert differing(work, undisturbed) == []


@pytest.mark.parametrize(
    "step",
    ["ingest.part.after", "map.part.before", "relational.part.after", "write.shard.before"],
)
def test_the_jvm_killed(corpus: Path, undisturbed: Path, tmp_path: Path, step: str) -> None:
    work = tmp_path / "work"
    done = kill(corpus, work, step, "jvm")
    assert done.returncode == 1
    assert "Java process has died" in done.stderr
    run_json(str(corpus), "--set", f"workspace={work}")
    assert differing(work, undisturbed) == []


@pytest.mark.skipif(not FULL, reason="WINNOW_FULL_FAULTS=1 asks for the full product")
@pytest.mark.parametrize(("step", "target"), PRODUCT if FULL else [("any", "any")])
def test_the_full_product(
    corpus: Path, undisturbed: Path, tmp_path: Path, step: str, target: str
) -> None:
    work = tmp_path / "work"
    kill(corpus, work, step, target)
    run_json(str(corpus), "--set", f"workspace={work}")
    assert differing(work, undisturbed) == []


def start(corpus: Path, work: Path) -> subprocess.Popen[bytes]:
    """A run in a process group of its own."""
    return subprocess.Popen(
        command("run", str(corpus), "--set", f"workspace={work}"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


def random_moments() -> Iterator[float]:
    """Moments to kill at, until the time is up."""
    chance = random.Random(time.time_ns())
    end = time.monotonic() + float(os.environ.get("WINNOW_KILL_SECONDS", "25"))
    while time.monotonic() < end:
        yield chance.uniform(1, 15)


def test_killed_at_random_moments(corpus: Path, undisturbed: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    for moment in random_moments():
        run = start(corpus, work)
        try:
            run.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
        else:
            assert run.returncode == 0
            assert differing(work, undisturbed) == [], f"killed at {moment}"
            work = work.with_name(work.name + "+")
    run_json(str(corpus), "--set", f"workspace={work}")
    assert differing(work, undisturbed) == []


def test_two_runs_at_once(corpus: Path, undisturbed: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    runs = [start(corpus, work) for _ in range(2)]
    for run in runs:
        errors = run.communicate(timeout=300)[1].decode()
        assert run.returncode == 0, errors
    assert differing(work, undisturbed) == []
    assert contents(work)


def test_interrupted_or_terminated_it_says_so_and_goes_on(
    corpus: Path, undisturbed: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    for end, said, status in (
        (signal.SIGTERM, "terminated", 143),
        (signal.SIGINT, "interrupted", 130),
    ):
        run = start(corpus, work)
        assert run.stderr
        errors = b""
        while b"measure" not in errors:
            errors += run.stderr.readline()
        os.kill(run.pid, end)
        errors += run.communicate(timeout=60)[1]
        assert run.returncode == status
        assert b"Traceback" not in errors, errors.decode()
        assert errors.decode().endswith(f"{said}; the same command goes on from here\n")
        record = last_record(open_store(str(work)))
        assert record
        assert record["outcome"] == "interrupted"
    run_json(str(corpus), "--set", f"workspace={work}")
    assert differing(work, undisturbed) == []
