"""Where Java comes from, and that a stranger's is not started."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.spark.java import cache_folder, java_home


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Java, whose cache is here."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_without_java_the_packages_runtime_is_wrapped(bare: Path) -> None:
    home = java_home()
    assert home is not None
    assert Path(home).is_relative_to(bare)
    java = [f"{home}/bin/java", "--add-modules=jdk.incubator.vector", "-version"]
    told = subprocess.run(java, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert told.returncode == 0, told.stderr


def test_spark_s_scripts_are_told_where_it_is(bare: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "pipeline.spark.java"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    assert told == java_home()


def test_a_folder_that_others_may_write_to_is_not_used(bare: Path) -> None:
    (bare / "winnow").mkdir(mode=0o777)
    (bare / "winnow").chmod(0o777)
    folder = cache_folder()
    assert not folder.is_relative_to(bare / "winnow")
    assert folder.stat().st_uid == os.getuid()
    assert not folder.stat().st_mode & 0o022
    (bare / "winnow").chmod(0o700)
    assert cache_folder() == bare / "winnow"
    if "winnow-" in folder.name and folder.name != f"winnow-{os.getuid()}":
        shutil.rmtree(folder)
