"""A Spark cluster of this machine: a standalone master and two workers on loopback."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyspark

from pipeline.spark.java import java_home
from support import ROOT
from support.object_store import free_port
from support.processes import end

SPARK = Path(pyspark.__file__).parent
QUICK = ("SPARK_SUBMIT_OPTS", "SPARK_LAUNCHER_OPTS")
LIGHT = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
"""What lets Java start in half the processor time, where it has little to do."""
PACKAGES = ("jobs", "pipeline", "raters", "schemas")


def java_environment() -> dict[str, str]:
    """Where Spark's scripts find Java, and how it starts quickly."""
    home = java_home()
    kept = {name: os.environ[name] for name in QUICK if name in os.environ}
    return {**kept, "JAVA_HOME": home} if home else kept


def bare_python(folder: Path) -> Path:
    """An interpreter that has what Winnow depends on, and not Winnow."""
    made = [sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder)]
    subprocess.run(made, check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # Lines of a .pth file are paths; the .pth files that lie there, an editable Winnow's too, are
    # not read.
    (site / "dependencies.pth").write_text(f"{SPARK.parent}\n")
    return folder / "bin" / "python"


@dataclass(frozen=True)
class Cluster:
    """A running cluster; `python` is that of its executors."""

    url: str
    python: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def submit(
        self, job: str, *words: str, options: Sequence[str] = (), timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the jobs to its end, by spark-submit in client mode."""
        started = self.start(ROOT / "jobs" / f"run_{job}.py", *words, options=options)
        try:
            printed, errors = started.communicate(timeout=timeout)
        finally:
            end(started)
        return subprocess.CompletedProcess(started.args, started.returncode, printed, errors)

    def start(
        self, script: Path, *words: str, options: Sequence[str] = (), log: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start a script by spark-submit in client mode, in a process group of its own.

        What it tells goes to `log`, or else to pipes.
        """
        output = log.open("w") if log else subprocess.PIPE
        return subprocess.Popen(
            [
                str(SPARK / "bin" / "spark-submit"),
                *("--master", self.url, "--conf", "spark.ui.enabled=false"),
                *("--conf", "spark.log.level=ERROR", *options),
                str(script),
                *words,
            ],
            stdout=output,
            stderr=output,
            text=True,
            cwd="/",
            env={**self.environment, "PYSPARK_PYTHON": str(self.python)},
            start_new_session=True,
        )

    def of_checkout(self, **environment: str) -> "Cluster":
        """The cluster for an application that runs this checkout in this Python.

        `environment` is what its driver has beside.
        """
        given = {**self.environment, "PYTHONPATH": str(ROOT), **environment}
        return Cluster(self.url, Path(sys.executable), given)


def executor_environment(**environment: str) -> list[str]:
    """Options of spark-submit by which executors have these variables."""
    told = [f"spark.executorEnv.{name}={value}" for name, value in environment.items()]
    return [word for setting in told for word in ("--conf", setting)]


@contextlib.contextmanager
def spark_cluster(
    folder: Path, python: Path, workers: int = 2, **environment: str
) -> Iterator[Cluster]:
    """A master and workers of one core each, gone at the end."""
    port, ui = free_port(), free_port()
    given = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "SPARK_HOME": str(SPARK),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_NO_DAEMONIZE": "1",
        "SPARK_DAEMON_MEMORY": "256m",
        "JDK_JAVA_OPTIONS": LIGHT,
        **java_environment(),
        **environment,
    }
    host = ["--host", "127.0.0.1"]
    with contextlib.ExitStack() as stack:

        def start(kind: str, *words: str) -> None:
            log = stack.enter_context((folder / f"{kind}.log").open("ab"))
            words = (f"org.apache.spark.deploy.{kind}", *host, *words)
            process = subprocess.Popen(
                [str(SPARK / "bin" / "spark-class"), *words],
                stdout=log, stderr=log, env=given, cwd=folder,
            )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.terminate)

        start("master.Master", "--port", str(port), "--webui-port", str(ui))
        for number in range(workers):
            place = folder / f"worker-{number}"
            start(
                "worker.Worker", "--cores", "1", "--memory", "1g", "--webui-port", str(free_port()),
                "--work-dir", str(place), f"spark://127.0.0.1:{port}",
            )  # fmt: skip
        _wait(f"http://127.0.0.1:{ui}/json/", workers, folder)
        yield Cluster(f"spark://127.0.0.1:{port}", python, given)


def _wait(status: str, workers: int, folder: Path) -> None:
    """Wait until all workers have come."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(status) as reply:
            if json.load(reply)["aliveworkers"] == workers:
                return
        time.sleep(0.2)
    raise AssertionError("\n".join(p.read_text() for p in folder.glob("*.log")))


def told_names(log: Path) -> set[str]:
    """What Spark's event log calls the jobs of an application."""
    files = [path for path in log.rglob("*") if path.is_file()]
    events = [json.loads(line) for path in files for line in _lines(path)]
    found = [e["Properties"] for e in events if e["Event"] == "SparkListenerJobStart"]
    return {properties.get("spark.job.description", "?") for properties in found}


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if re.match(r"\{", line)]
