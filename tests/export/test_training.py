"""The examples for trainers, run on the mixtures of the tests."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

from pipeline.export.reader import MixtureDataset
from pipeline.export.verify import read_manifest

EXAMPLES = ROOT / "examples/training"
STREAMING = ROOT / ".venv-streaming/bin/python"

# streaming imports torchvision for its image data sets, and a build for another torch than this
# environment's fails; it is not needed for text.
_LOAD = """
import runpy, sys, types
try:
    import torchvision
except (ImportError, RuntimeError):
    import transformers.feature_extraction_utils
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    for name in ("", ".datasets", ".transforms", ".transforms.functional"):
        sys.modules["torchvision" + name] = types.ModuleType("torchvision" + name)
    sys.modules["torchvision.datasets"].VisionDataset = object
    sys.modules["torchvision.transforms.functional"].to_tensor = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(*words: str | Path, python: Path | str = sys.executable) -> list[str]:
    """The lines that a program prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(python), *map(str, words)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def launch(ranks: int, mixture: Path, steps: int, state: Path) -> dict[str, Any]:
    """What the ranks of the plain loop tell, and the shares."""
    module = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}")
    lines = run(*module, EXAMPLES / "distributed_loop.py", mixture, str(steps), state)
    told: dict[str, Any] = json.loads(lines[-1])
    return told


def test_a_plain_loop_on_two_ranks_goes_on_with_one(mixtures: Path, tmp_path: Path) -> None:
    mixture, state = mixtures / "repeated", tmp_path / "state.json"
    order = [sample["id"] for sample in MixtureDataset(str(mixture))]
    both = launch(2, mixture, 5, state)
    one, two = both["ranks"]
    union = [sorted(a + b) for a, b in zip(one["seen"], two["seen"], strict=True)]
    assert union == [sorted(order[4 * n : 4 * n + 4]) for n in range(5)]
    assert one["weight"] == two["weight"]
    assert sum(both["shares"].values()) == pytest.approx(1)
    (alone,) = launch(1, mixture, 3, state)["ranks"]
    assert alone["seen"] == [order[20 + 4 * n : 24 + 4 * n] for n in range(3)]


def test_a_transformers_trainer_learns(mixtures: Path, tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="accelerate, which Trainer needs, is not installed")
    lines = run(EXAMPLES / "transformers_trainer.py", mixtures / "megatron", tmp_path)
    (losses,) = (line.split()[1:] for line in lines if line.startswith("losses"))
    assert len(losses) == 10
    assert float(losses[-1]) < float(losses[0])
    assert any(line.startswith("held out") for line in lines)


def test_huggingface_datasets_streams_the_folder(mixtures: Path) -> None:
    pytest.importorskip("datasets", reason="datasets is not installed")
    lines = run(EXAMPLES / "huggingface_datasets.py", mixtures / "huggingface")
    splits = read_manifest(str(mixtures / "huggingface"))["splits"]
    assert lines == [f"{n} {s['documents']} {s['tokens']}" for n, s in splits.items()]


@pytest.mark.skipif(not STREAMING.exists(), reason="no .venv-streaming: make .venv-streaming")
def test_mosaicml_streaming_reads_every_sample(mixtures: Path) -> None:
    lines = run("-c", _LOAD, EXAMPLES / "mosaic_streaming.py", mixtures / "mds", python=STREAMING)
    told = json.loads(lines[-1])
    wanted = list(MixtureDataset(str(mixtures / "mds")))
    names = ("id", "source", "text")
    found = sorted(tuple(sample[name] for name in names) for sample in told["samples"])
    assert found == sorted(tuple(sample[name] for name in names) for sample in wanted)
    assert told["epoch"] == len(wanted)
