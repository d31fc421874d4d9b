"""The quick start from its files to a verified mixture, run as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def winnow(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobs", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=300,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of documents, columns and mixtures but the records of a run."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "_tmp" not in path.parts
    }


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of an undisturbed run."""
    folder = tmp_path_factory.mktemp("quickstart") / "work"
    run = winnow("run", "examples/quickstart.yaml", "--set", f"workspace={folder}")
    assert run.returncode == 0, run.stderr
    assert "mixture main" in run.stdout
    return folder


def test_the_mixture_verifies(workspace: Path) -> None:
    check = winnow("verify", str(workspace / "mixtures/main"), "--workspace", str(workspace))
    assert check.returncode == 0, check.stdout + check.stderr


def test_the_manifest_keeps_its_schema(workspace: Path) -> None:
    import jsonschema

    from schemas.manifest import MANIFEST_SCHEMA

    manifest = json.loads((workspace / "mixtures/main/manifest.json").read_text())
    jsonschema.validate(manifest, MANIFEST_SCHEMA)
    assert manifest["totals"]["tokens"] <= 300_000
    assert str(workspace) not in json.dumps(manifest)


def test_a_second_run_starts_no_spark(workspace: Path) -> None:
    before = contents(workspace)
    again = winnow(
        "run", "examples/quickstart.yaml", "--set", f"workspace={workspace}", JAVA_HOME="/nowhere",
        PATH="/nowhere",
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "(unchanged)" in again.stdout
    assert contents(workspace) == before


def test_another_number_of_cores_gives_the_same_bytes(workspace: Path, tmp_path: Path) -> None:
    other = tmp_path / "work"
    words = ("run", "examples/quickstart.yaml", "--set", f"workspace={other}")
    run = winnow(*words, "--master", "local[1,4]", PYTHONHASHSEED="123")
    assert run.returncode == 0, run.stderr
    found, wanted = contents(other), contents(workspace)
    assert found.keys() == wanted.keys()
    differ = [name for name in found if found[name] != wanted[name] and "plan.json" not in name]
    assert differ == []


def test_damage_is_named(workspace: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "main"
    shutil.copytree(workspace / "mixtures/main", copy)
    shard = next(copy.glob("shard-*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    check = winnow("verify", str(copy))
    assert check.returncode == 1
    assert shard.name in check.stdout
    shard.unlink()
    assert "is missing" in winnow("verify", str(copy)).stdout
    assert "Traceback" not in check.stderr


@pytest.mark.parametrize(
    "point",
    ["ingest.part.before", "map.part.after", "relational.stage.before", "write.manifest.before"],
)
def test_a_killed_run_goes_on_to_the_same_bytes(
    workspace: Path, tmp_path: Path, point: str
) -> None:
    other = tmp_path / "work"
    words = ("run", "examples/quickstart.yaml", "--set", f"workspace={other}")
    ledger = tmp_path / "ledger"
    killed = winnow(*words, WINNOW_FAULT=f"{point}:{ledger}", WINNOW_FAULT_TARGET="driver")
    assert ledger.exists(), killed.stderr
    assert killed.returncode != 0
    again = winnow(*words)
    assert again.returncode == 0, again.stderr
    found, wanted = contents(other), contents(workspace)
    assert found.keys() == wanted.keys()
    assert [n for n in found if found[n] != wanted[n] and "plan.json" not in n] == []
