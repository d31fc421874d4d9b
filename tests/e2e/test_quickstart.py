"""The quick start from its files to a verified mixture, run as a user runs it."""

import json
from pathlib import Path

import pytest
from support import contents, differing, winnow


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
    assert differing(other, workspace) == []


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
