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
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from support import ROOT, winnow
from support.chaos import KINDS, Damage, Scene, kill_engine
from support.cluster import Cluster
from support.company import Company
from support.models import write_chat_model, write_model

MINUTES = float(os.environ.get("CHAOS_MINUTES", "1"))
VLLM = os.environ.get("CHAOS_ENGINE") == "vllm"
if VLLM:
    pytest.importorskip("vllm", reason="CHAOS_ENGINE=vllm wants .venv-vllm, which make test makes")
# What vLLM and its dependencies warn of is theirs.
pytestmark = [pytest.mark.slow, *([pytest.mark.filterwarnings("ignore")] if VLLM else [])]
SEED = int(os.environ.get("CHAOS_SEED") or random.randrange(1 << 32))
EVERY = (0.05, 0.2)
"""From one damage to the next, in parts of the time that an undisturbed run takes."""
THIN = 1 if MINUTES >= 10 else 20
"""Of so many documents one is taken."""
DISK = 128 << 20


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


@dataclass(frozen=True)
class Undisturbed:
    """A run to which nothing happened: its workspace, and how long it took."""

    work: Path
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(configuration: Path) -> Undisturbed:
    """A run on two cores of this machine."""
    began, work = time.monotonic(), configuration.parent / "undisturbed"
    words = ("run", str(configuration), "--set", f"workspace={work}", "--master", "local[2]")
    done = winnow(*words, timeout=1200)
    assert done.returncode == 0, done.stderr
    return Undisturbed(work, time.monotonic() - began)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path | None]:
    """A small disk, where one can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        yield None
        return
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def kinds(disk: Path | None) -> list[Damage]:
    """What can be done here."""
    return [
        kind
        for kind in KINDS
        if (VLLM or kind.inflict is not kill_engine)
        and (disk is not None or kind.name != "the disk is full")
    ]


def test_chaos(
    cluster: Cluster,
    configuration: Path,
    undisturbed: Undisturbed,
    disk: Path | None,
    tmp_path: Path,
) -> None:
    print(f"CHAOS_SEED={SEED}")
    if disk is None:
        print("no disk can be mounted here (that takes root), so none is filled")
    scene = Scene(
        random.Random(SEED), (disk or tmp_path) / "work",
        Path(cluster.environment["SPARK_LOCAL_DIRS"]), disk,
    )  # fmt: skip
    company = Company(cluster, configuration, undisturbed.work, scene, tmp_path)
    try:
        torment(company, scene, kinds(disk), undisturbed.seconds)
        scene.mend()
        company.finish()
    finally:
        scene.mend()
        company.close()


def torment(company: Company, scene: Scene, whole: Sequence[Damage], pace: float) -> None:
    """Do damage until the time is up and each kind has been done; tell what and when.

    `pace` is how long a run takes here: what is done in a second on one machine takes ten on
    another, or on a busy one.
    """
    began = time.monotonic()
    due, left = 0.0, {kind.name for kind in whole}
    deck: list[Damage] = []
    while (now := time.monotonic() - began) < 60 * MINUTES or left:
        assert now < 60 * MINUTES + 30 * pace, f"there was no time when {left}"
        scene.mend(time.monotonic())
        if told := company.tend():
            print(f"{now:6.1f} {told}")
        if now >= due:
            due = now + pace * scene.chance.uniform(*EVERY)
            deck = deck or scene.chance.sample(whole, len(whole))
            others = [kind for kind in scene.chance.sample(whole, len(whole)) if not kind.fatal]
            for kind in [*deck, *others]:
                if (hit := kind.inflict(scene)) is not None:
                    print(f"{now:6.1f} {kind.name}: {hit}")
                    deck = [other for other in deck if other is not kind]
                    left.discard(kind.name)
                    break
        time.sleep(0.1)
