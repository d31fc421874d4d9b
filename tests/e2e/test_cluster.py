"""The jobs on a real cluster, by spark-submit: the same bytes as on one machine."""

import json
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from support import differing, product, run_json, winnow
from support.cluster import Cluster, bare_python, executor_environment, told_names

pytestmark = pytest.mark.slow

DYNAMIC = [
    word
    for setting in ("enabled=true", "minExecutors=0", "maxExecutors=2", "executorIdleTimeout=5s")
    for word in ("--conf", f"spark.dynamicAllocation.{setting}")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def undisturbed(reference: Path) -> Path:
    """The workspace of a run on one core of this machine."""
    return reference


@pytest.fixture(scope="module")
def corpus(reference: Path) -> Path:
    """The configuration of a tiny corpus."""
    return reference.with_name("winnow.yaml")


@pytest.fixture(scope="module")
def unpacked(folder: Path, wheel: Path) -> Path:
    """What the wheel holds, as a folder for PYTHONPATH."""
    place = folder / "unpacked"
    zipfile.ZipFile(wheel).extractall(place)
    return place


def test_two_cores_make_what_one_makes(corpus: Path, undisturbed: Path, folder: Path) -> None:
    run_json(str(corpus), "--set", f"workspace={folder}/two-cores", "--master", "local[2]")
    assert product(folder / "two-cores") == product(undisturbed)
    assert differing(folder / "two-cores", undisturbed) == []


def test_one_job_with_the_wheel(
    corpus: Path, undisturbed: Path, cluster: Cluster, wheel: Path, folder: Path
) -> None:
    work, log = folder / "wheel-work", folder / "events"
    log.mkdir()
    done = cluster.submit(
        "all", str(corpus), "--set", f"workspace={work}",
        options=[
            *("--py-files", str(wheel), "--name", "a corpus", "--executor-memory", "700m"),
            *("--conf", "spark.eventLog.enabled=true", "--conf", f"spark.eventLog.dir=file:{log}"),
            *("--conf", "spark.eventLog.compress=false"),
        ],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mixture main: " in done.stdout
    assert differing(work, undisturbed) == []
    assert winnow("verify", str(work / "mixtures/main")).returncode == 0
    assert told_names(log) == {
        "look at the executors",
        "ingest",
        "measure language, signals, tokens, exact_dedup.map, fuzzy_dedup.map",
        "relate exact_dedup: write",
        "relate fuzzy_dedup",
        "relate fuzzy_dedup: write",
        "select main: plan",
        "mixture main: cuts",
        "mixture main: write",
    }
    events = "".join(path.read_text() for path in log.rglob("*") if path.is_file())
    assert '"App Name":"a corpus"' in events
    assert '"spark.executor.memory":"700m"' in events


def test_a_job_for_each_kind_of_work_with_an_archive_and_executors_on_demand(
    corpus: Path, undisturbed: Path, cluster: Cluster, unpacked: Path, folder: Path
) -> None:
    packed, work = folder / "environment.tar.gz", folder / "archive-work"
    environment = folder / "environment"
    site = bare_python(environment).parent.parent / "lib"
    (place,) = site.glob("python*/site-packages")
    shutil.copytree(unpacked, place, dirs_exist_ok=True)
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(environment, ".")
    options = [
        *("--archives", f"{packed}#environment", *DYNAMIC),
        *("--conf", "spark.pyspark.python=./environment/bin/python"),
        *("--conf", f"spark.pyspark.driver.python={environment}/bin/python"),
    ]
    for job in ("ingest", "annotate", "dedup", "rate", "select"):
        words = [str(corpus), "--set", f"workspace={work}"]
        words += ["--log-format", "json"] * (job == "annotate")
        done = cluster.submit(job, *words, options=options)
        assert done.returncode == 0, done.stdout + done.stderr
        assert ("no such stage" in done.stdout) == (job == "rate")
        if job == "annotate":
            lines = [line for line in done.stderr.splitlines() if line.startswith("{")]
            assert any(json.loads(line)["event"].startswith("measure language") for line in lines)
            assert '{"table": "stages"' in done.stdout
    records = [json.loads(path.read_text()) for path in sorted((work / "runs").iterdir())]
    assert [record["command"] for record in records] == ["run", "run", "run", "select"]
    assert {record["outcome"] for record in records} == {"done"}
    assert differing(work, undisturbed) == []


def test_executors_without_the_package(
    corpus: Path, cluster: Cluster, unpacked: Path, folder: Path
) -> None:
    done = on_driver(cluster, unpacked, corpus, folder / "lacking")
    assert done.returncode == 1
    assert "it lacks Winnow" in done.stdout
    assert "--py-files" in done.stdout


def test_executors_with_another_version(
    corpus: Path, cluster: Cluster, unpacked: Path, folder: Path
) -> None:
    other = folder / "other"
    shutil.copytree(unpacked, other)
    with (other / "raters" / "base.py").open("a") as source:
        source.write("\n# Not as it was.\n")
    archive = shutil.make_archive(str(folder / "other"), "zip", other)
    done = on_driver(cluster, unpacked, corpus, folder / "lacking", archive)
    assert done.returncode == 1
    assert "and the driver 0.1.0 (" in done.stdout


def test_executors_that_do_not_share_the_workspace(
    corpus: Path, cluster: Cluster, wheel: Path, folder: Path
) -> None:
    # The folder that a process works in is another one for the driver and for each executor.
    done = cluster.submit(
        "all", str(corpus), "--set", "workspace=/proc/self/cwd/tmp/not-shared",
        options=["--py-files", str(wheel)],
    )  # fmt: skip
    shutil.rmtree("/tmp/not-shared")
    assert done.returncode == 1
    assert "it does not see the driver's files in /proc/self/cwd/tmp/not-shared" in done.stdout


def test_executors_that_come_late_and_lack_the_package(
    corpus: Path, cluster: Cluster, folder: Path
) -> None:
    # As if none had been there when they were looked at.
    driver = folder / "late.py"
    driver.write_text(
        "import sys\n"
        "import pipeline.spark.cluster\n"
        "from jobs.submission import submit\n"
        "pipeline.spark.cluster.check_executors = lambda *_: None\n"
        "sys.exit(submit('all', sys.argv[1:]))\n"
    )
    started = cluster.of_checkout().start(
        driver, str(corpus), "--set", f"workspace={folder}/late",
        options=executor_environment(PYTHONPATH="/nowhere"),
    )  # fmt: skip
    printed, _ = started.communicate(timeout=300)
    assert started.returncode == 1
    assert "ingest: executor on 127.0.0.1: it lacks Winnow (ModuleNotFoundError: " in printed
    assert "--py-files" in printed


def test_a_master_named_twice(corpus: Path, cluster: Cluster, wheel: Path, folder: Path) -> None:
    words = [str(corpus), "--set", f"workspace={folder}/twice", "--master", "local[1]"]
    done = cluster.submit("all", *words, options=["--py-files", str(wheel)])
    assert done.returncode == 2
    assert "spark-submit says where to run" in done.stdout


def on_driver(
    cluster: Cluster, package: Path, corpus: Path, work: Path, archive: str | None = None
) -> subprocess.CompletedProcess[str]:
    """A job whose driver has the package, and whose executors have the archive's or none."""
    environment = {**cluster.environment, "PYTHONPATH": str(package)}
    driver = Cluster(cluster.url, cluster.python, environment)
    options = ["--conf", f"spark.executorEnv.PYTHONPATH={archive or '/nowhere'}"]
    return driver.submit("all", str(corpus), "--set", f"workspace={work}", options=options)
