"""Executors that die between two rounds of near duplicates: the run goes on by itself."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support import ROOT, differing, run_json, write_jsonl
from support.cluster import Cluster, executor_environment
from support.processes import EXECUTOR, called, end

pytestmark = pytest.mark.slow

CONFIGURATION = """\
workspace: ./work
part_bytes: 20_000
sources: [{name: one, path: "*.jsonl"}]
stages:
  - exact_dedup: {}
  - fuzzy_dedup: {}
"""

DRIVER = """
import sys
import time
from pathlib import Path

from jobs.submission import submit
from pipeline.spark import stars

folder, stars.SMALL_BYTES = Path(sys.argv.pop(1)), 0
begin, decide = stars.stars, stars._round


def beginning(*words):
    (folder / f"begun-{len(list(folder.glob('begun-*'))) + 1}").touch()
    return begin(*words)


def waiting(rows, verify):
    number = len(list(folder.glob("round-*"))) + 1
    (folder / f"round-{number}").touch()
    while not (folder / f"go-{min(number, 3)}").exists():
        time.sleep(0.05)
    return decide(rows, verify)


stars.stars, stars._round = beginning, waiting
sys.exit(submit("all", sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration over families of texts that are nearly the same."""
    folder = tmp_path_factory.mktemp("families")
    chance = random.Random(5)
    documents = []
    for _ in range(30):
        words = [f"word{chance.randrange(400)}" for _ in range(80)]
        for _ in range(chance.choice([1, 2, 6])):
            documents.append({"text": " ".join(words)})
            words[chance.randrange(80)] = "other"
    write_jsonl(folder / "a.jsonl", documents)
    (folder / "winnow.yaml").write_text(CONFIGURATION)
    run_json(str(folder / "winnow.yaml"))
    return folder / "winnow.yaml"


def wait(folder: Path, name: str, run: subprocess.Popen[str]) -> None:
    """Until the driver has made this file."""
    while not (folder / name).exists():
        assert run.poll() is None, run.communicate()
        time.sleep(0.1)


def kill_executors(count: int) -> None:
    """Kill so many of two executors, once both are there."""
    while len(found := called(EXECUTOR)) < 2:
        time.sleep(0.1)
    for victim in found[:count]:
        os.kill(victim, signal.SIGKILL)


def test_executors_killed_between_rounds(cluster: Cluster, corpus: Path, tmp_path: Path) -> None:
    steps, script, work = tmp_path / "steps", tmp_path / "driver.py", tmp_path / "work"
    steps.mkdir()
    script.write_text(DRIVER)
    run = cluster.of_checkout().start(
        script, str(steps), str(corpus), "--set", f"workspace={work}",
        options=[
            *executor_environment(PYTHONPATH=str(ROOT)),
            *("--conf", "spark.sql.shuffle.partitions=2"),
        ],
    )  # fmt: skip
    try:
        (steps / "go-1").touch()
        wait(steps, "round-2", run)
        kill_executors(1)
        (steps / "go-2").touch()
        wait(steps, "round-3", run)
        assert not (steps / "begun-2").exists(), "the other executor has the rows too"
        kill_executors(2)
        (steps / "go-3").touch()
        printed, errors = run.communicate(timeout=300)
    finally:
        end(run)
    assert run.returncode == 0, printed + errors
    assert (steps / "begun-2").exists(), "nobody has the rows"
    assert differing(work, corpus.parent / "work") == []
