"""What the tests share: the larger data where it is at hand, and one Spark session."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parent.parent


CLASSES = Path(sys.prefix) / "spark.jsa"
"""The classes that a run loads, as `make test` archives them."""


def pytest_configure() -> None:
    """Let every JVM that the tests start take its classes from the archive, where there is one."""
    if CLASSES.exists() and CLASSES.stat().st_size:
        # A Java that can't read it says nothing and loads them itself.
        quiet = "-Xlog:disable -Xlog:all=error:stderr"
        os.environ.setdefault("SPARK_SUBMIT_OPTS", f"-XX:SharedArchiveFile={CLASSES} {quiet}")
    os.environ.setdefault("SPARK_LAUNCHER_OPTS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")
    parser.addoption("--suite-times", action="store_true", help="tell how long each suite took")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The lines of docs/testing.md: seconds by folder, and by file where whole runs are tested."""
    if config.getoption("suite_times"):
        seconds: Counter[str] = Counter()
        for report in (r for kind in terminalreporter.stats.values() for r in kind):
            path = getattr(report, "nodeid", "").partition("::")[0]
            suite = path if path.startswith("tests/e2e/") else path.rpartition("/")[0]
            seconds[suite] += getattr(report, "duration", 0)
        terminalreporter.section("seconds by suite")
        for suite, count in seconds.most_common():
            terminalreporter.write_line(f"{count:6.0f} {suite}")


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


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of a run on one core, and beside it the corpus and its configuration.

    Runs of the same configuration on more cores, a cluster, and in a bucket are compared with it.
    """
    from support import make_whole_corpus, run_json

    configuration = make_whole_corpus(tmp_path_factory.mktemp("reference"))
    run_json(str(configuration), "--master", "local[1]")
    return configuration.parent / "work"
