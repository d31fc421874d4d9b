"""The quick start on a cluster, with rating workers, while things are killed, filled and damaged.

CHAOS_MINUTES says for how long, from ten on with all of the sample's documents instead of some;
CHAOS_ENGINE=vllm has vLLM rate too; CHAOS_SEED does again what a run that failed has printed.
"""

import gzip
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from support import ROOT, command, contents, differing, run_json, winnow
from support.chaos import KINDS, Committed, Damage, Scene, kill_engine
from support.cluster import Cluster, executor_environment
from support.models import write_chat_model, write_model
from support.processes import end

pytestmark = pytest.mark.slow

MINUTES = float(os.environ.get("CHAOS_MINUTES", "1"))
VLLM = os.environ.get("CHAOS_ENGINE") == "vllm"
SEED = int(os.environ.get("CHAOS_SEED") or random.randrange(1 << 32))
EVERY = (1.0, 4.0)
"""Seconds from one damage to the next."""
LEASE = "1.2"
THIN = 1 if MINUTES >= 10 else 20
"""Of so many documents one is taken."""
DISK = 128 << 20
EXPECTED = 0.02
EQUAL = 0.995


def thinned(name: str, folder: Path) -> str:
    """A file of the sample, or some of its documents; the few pages are taken whole."""
    path = ROOT / "examples" / name
    other = folder / path.name
    if THIN == 1 or "warc" in path.name:
        return str(path)
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        pq.write_table(table.take(list(range(0, len(table), THIN))), other)
        return str(other)
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    kept = b"".join(text.splitlines(keepends=True)[::THIN])
    other.write_bytes(gzip.compress(kept, mtime=0) if path.suffix == ".gz" else kept)
    return str(other)


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quick start in small slices, with a model that torch runs, or one more for vLLM."""
    folder = tmp_path_factory.mktemp("chaos")
    told = yaml.safe_load((ROOT / "examples/quickstart.yaml").read_text())
    for source in told["sources"]:
        source["path"] = thinned(source["path"], folder)
    told["part_bytes"] = 150_000
    stages = {name: given for stage in told["stages"] for name, given in stage.items()}
    (folder / "model").mkdir()
    write_model(folder / "model")
    stages["perplexity"].update(model="./model", engine="torch", max_tokens=60, slice_rows=16)
    if VLLM:
        (folder / "chat").mkdir()
        write_chat_model(folder / "chat", width=64)
        told["stages"].append({"quality": _judge()})
    for mixture in told["mixtures"]:
        mixture["tokens"] //= THIN
    path = folder / "quickstart.yaml"
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    return path


def _judge() -> dict[str, object]:
    engine = {"engine": "vllm", "dtype": "float32", "max_num_batched_tokens": 2048}
    asked = {"rater": "dataman", "model": "./chat", "max_tokens": 200, "slice_rows": 16}
    return {"name": "judge", "where": "n_words >= 20 and n_words < 80", **asked, **engine}


@pytest.fixture(scope="module")
def undisturbed(configuration: Path) -> Path:
    """The workspace of a run to which nothing happens."""
    work = configuration.parent / "undisturbed"
    run_json(str(configuration), "--set", f"workspace={work}", "--master", "local[2]")
    return work


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path | None]:
    """A small disk, where one can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        yield None
        return
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


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
            done, self._scene.work = (
                self._scene.work,
                self._scene.work.with_name(f"{self._started}"),
            )
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
        judged = [name for name in found if name.startswith("columns/judge/")]
        assert found == judged
        assert (
            winnow("verify", str(work / "mixtures/main"), "--workspace", str(work)).returncode == 0
        )
        if VLLM:
            compare(work, self._undisturbed)


def compare(found: Path, wanted: Path) -> None:
    """What vLLM rated: every row once, within the tolerances."""
    names = [
        f"columns/judge/{p.parent.name}/{p.name}" for p in wanted.glob("columns/judge/*/*.parquet")
    ]
    assert {n for n in contents(found) if n.startswith("columns/judge/")} == {
        n for n in contents(wanted) if n.startswith("columns/judge/")
    }
    equal = rows = 0
    for name in names:
        ours, theirs = (pq.read_table(folder / name) for folder in (found, wanted))
        assert len(ours) == len(theirs)
        assert ours.column("quality_status") == theirs.column("quality_status")
        for one, other in zip(ours.to_pylist(), theirs.to_pylist(), strict=True):
            rows += 1
            equal += all(one[n] == other[n] for n in one if isinstance(other[n], int))
            for n in one:
                if n.endswith("_expected"):
                    assert one[n] == pytest.approx(other[n], abs=EXPECTED)
    assert equal >= EQUAL * rows


def kinds(disk: Path | None) -> list[Damage]:
    """What can be done here."""
    return [
        kind
        for kind in KINDS
        if (VLLM or kind.inflict is not kill_engine)
        and (disk is not None or kind.name != "the disk is full")
    ]


def test_chaos(
    cluster: Cluster, configuration: Path, undisturbed: Path, disk: Path | None, tmp_path: Path
) -> None:
    print(f"CHAOS_SEED={SEED}")
    if disk is None:
        print("no disk can be mounted here (that takes root), so none is filled")
    scene = Scene(
        random.Random(SEED), (disk or tmp_path) / "work",
        Path(cluster.environment["SPARK_LOCAL_DIRS"]), disk,
    )  # fmt: skip
    company = Company(cluster, configuration, undisturbed, scene, tmp_path)
    try:
        torment(company, scene, kinds(disk))
        scene.mend()
        company.finish()
    finally:
        scene.mend()
        company.close()


def torment(company: Company, scene: Scene, whole: Sequence[Damage]) -> None:
    """Do damage until the time is up and each kind has been done; tell what and when."""
    began = time.monotonic()
    due, left = 0.0, {kind.name for kind in whole}
    deck: list[Damage] = []
    while (now := time.monotonic() - began) < 60 * MINUTES or left:
        assert now < 60 * MINUTES + 600, f"there was no time when {left}"
        scene.mend(time.monotonic())
        if told := company.tend():
            print(f"{now:6.1f} {told}")
        if now >= due:
            due = now + scene.chance.uniform(*EVERY)
            deck = deck or scene.chance.sample(whole, len(whole))
            others = [kind for kind in scene.chance.sample(whole, len(whole)) if not kind.fatal]
            for kind in [*deck, *others]:
                if (hit := kind.inflict(scene)) is not None:
                    print(f"{now:6.1f} {kind.name}: {hit}")
                    deck = [other for other in deck if other is not kind]
                    left.discard(kind.name)
                    break
        time.sleep(0.1)
