"""A run on a cluster and the rating workers beside it, which are to outlive any damage."""

import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support import ROOT, command, differing, winnow
from support.chaos import Committed, Scene
from support.cluster import Cluster, executor_environment
from support.processes import end

LEASE = "1.2"
"""Seconds."""

JUDGE = ("columns/judge/", "columns/judge.map/")
"""Where the columns are whose engine promises no bytes ..."""

EXPECTED, EQUAL = 0.02, 0.995
"""... but expected ratings within this, and equal integers on this share of rows."""


class Company:
    """A run and its rating workers, started again whenever they end."""

    def __init__(
        self, cluster: Cluster, configuration: Path, undisturbed: Path, scene: Scene, logs: Path
    ) -> None:
        self._cluster = cluster.of_checkout()
        self._configuration, self._undisturbed = configuration, undisturbed
        self._scene, self._logs = scene, logs
        self._started = 0
        self._raters: list[tuple[subprocess.Popen[str], Path]] = []
        self.open()

    def open(self) -> None:
        """Begin with an empty workspace."""
        self.committed = Committed(self._scene.work)
        self.start()

    def start(self) -> None:
        """Start the run."""
        self.log = self._log("run")
        environment = executor_environment(PYTHONPATH=str(ROOT), WINNOW_LEASE_SECONDS=LEASE)
        self.run = self._cluster.start(
            ROOT / "jobs/run_all.py", *self._words(),
            options=[*environment, "--conf", "spark.sql.shuffle.partitions=4"], log=self.log,
        )  # fmt: skip
        self._scene.drivers = [self.run.pid]

    def _log(self, what: str) -> Path:
        self._started += 1
        return self._logs / f"{self._started:03d}-{what}.log"

    def _words(self) -> list[str]:
        return [str(self._configuration), "--set", f"workspace={self._scene.work}"]

    def tend(self) -> str | None:
        """Start again what has ended; says what has."""
        self.committed.look()
        self._tend_raters()
        if self.run.poll() is None:
            return None
        self._ended(self.run, self.log)
        if self.run.returncode == 0:
            self.check()
            done = self._scene.work
            self._scene.work = done.with_name(f"{done.name}+")
            self.close_raters()
            shutil.rmtree(done)
            self.open()
            return "the run is done; another one begins"
        told = self.log.read_text().splitlines()[-1:]
        self.start()
        return f"the run has ended and is started again: {told}"

    def _tend_raters(self) -> None:
        for rater, log in list(self._raters):
            if rater.poll() is not None:
                self._ended(rater, log)
                self._raters.remove((rater, log))
        opened = (self._scene.work / "columns/exact_dedup/_stage").exists()
        if opened and len(self._raters) < 2:
            self._start_rater()
        self._scene.raters = [rater.pid for rater, _ in self._raters]

    def _start_rater(self) -> None:
        log = self._log("rater")
        with log.open("w") as output:
            rater = subprocess.Popen(
                command("rate-worker", *self._words()), stdout=output, stderr=output, text=True,
                cwd=ROOT, env={**self._cluster.environment, "WINNOW_LEASE_SECONDS": LEASE},
                start_new_session=True,
            )  # fmt: skip
        self._raters.append((rater, log))

    def _ended(self, process: subprocess.Popen[str], log: Path) -> None:
        end(process)
        told = log.read_text()
        assert "Traceback (most recent call last)" not in told, told

    def finish(self) -> None:
        """Let the run end in peace, at the second start at the latest."""
        self.close_raters()
        if self.run.wait(600):
            self._ended(self.run, self.log)
            self.start()
            assert self.run.wait(600) == 0, self.log.read_text()
        self.check()

    def close_raters(self) -> None:
        """End the rating workers."""
        for rater, _ in self._raters:
            end(rater)
        self._raters = []

    def close(self) -> None:
        """End everything."""
        self.close_raters()
        end(self.run)

    def check(self) -> None:
        """The workspace is that of the undisturbed run."""
        self.committed.verify()
        work = self._scene.work
        found = [name for name in differing(work, self._undisturbed) if ".lease." not in name]
        assert [name for name in found if not name.startswith(JUDGE)] == []
        verified = winnow("verify", str(work / "mixtures/main"), "--workspace", str(work))
        assert verified.returncode == 0, verified.stdout
        compare(work, self._undisturbed)


def compare(found: Path, wanted: Path) -> None:
    """The judge's columns: every row once, within the tolerances."""
    ours, theirs = _judged(found), _judged(wanted)
    assert ours.keys() == theirs.keys()
    equal = rows = 0
    for name, other in theirs.items():
        one = ours[name]
        assert one.column("quality_status") == other.column("quality_status")
        for here, there in zip(one.to_pylist(), other.to_pylist(), strict=True):
            rows += 1
            equal += all(here[n] == there[n] for n in here if isinstance(there[n], int))
            for column in here:
                if column.endswith("_expected"):
                    assert here[column] == pytest.approx(there[column], abs=EXPECTED)
    assert equal >= EQUAL * rows


def _judged(work: Path) -> dict[str, pa.Table]:
    """The judge's columns of each part; keys, which follow from values, are left out of names."""
    paths = list(work.glob("columns/judge*/*/*.parquet"))
    found = {f"{p.parents[1].name}/{p.name.partition('.')[0]}": pq.read_table(p) for p in paths}
    assert len(found) == len(paths), "a part is there twice"
    return found
