"""What the tests share: the larger data where it is at hand, and one Spark session."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of the larger data sets, which the project does not carry."""
    folder = Path(os.environ.get("WINNOW_SHARED_DATA", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("the larger data sets are not at hand; WINNOW_SHARED_DATA names their folder")
    return folder


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without reaching for the network."""
    pytest.importorskip("hatchling", reason="the wheel is built with hatchling: make test has it")
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    built = [*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*built, "--wheel-dir", str(folder), str(ROOT)], check=True)
    (path,) = folder.glob("winnow_curation-*.whl")
    return path


@pytest.fixture(scope="session")
def spark() -> "Iterator[SparkSession]":
    from pipeline.spark.session import open_session

    # Its Python workers import the packages, and what the tests define, from this checkout.
    os.environ["PYTHONPATH"] = f"{ROOT}:{ROOT / 'tests'}"
    session = open_session("tests", "local[2,4]")
    yield session
    session.stop()
