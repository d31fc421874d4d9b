"""The Spark session: local by default, with a Java runtime from PyPI where the machine has none."""

import contextlib
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pipeline.spark.java import cache_folder, java_home, put_file
from schemas.errors import ConfigurationError, WinnowError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FEW_CORES = 4
"""With no more cores than this the JVM makes do with little."""

_JAVA_OPTIONS = "spark.driver.extraJavaOptions"

TRIES = 4
"""How often a task is tried before its step fails."""

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


THREADS = {
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
    ),
    "TOKENIZERS_PARALLELISM": "false",
}
"""One thread a task: a machine has as many tasks as cores, and sums come out in one order."""


def _environment() -> None:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    for name, value in THREADS.items():
        os.environ.setdefault(name, value)


def _retrying(master: str) -> str:
    """A local master under which a task is tried again: Spark's own `local[2]` never does."""
    found = re.fullmatch(r"local(?:\[([0-9]+|\*)\])?", master)
    return f"local[{found.group(1) or 1},{TRIES}]" if found else master


def _defaults() -> dict[str, str]:
    """What every session has, unless it is told otherwise."""
    return {
        "spark.python.worker.faulthandler.enabled": "true",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "2000",
        "spark.sql.execution.arrow.maxBytesPerBatch": "16m",
        "spark.sql.adaptive.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        **{f"spark.executorEnv.{name}": value for name, value in THREADS.items()},
    }


def _quiet() -> str:
    log4j = put_file(cache_folder() / "log4j2.properties", _LOGGING)
    return f"-Dlog4j2.configurationFile=file:{log4j}"


def _local_defaults(master: str) -> dict[str, str]:
    found = re.match(r"local\[(\d+)", master)
    cores = int(found.group(1)) if found else len(os.sched_getaffinity(0))
    options = _quiet()
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
    """A session: where spark-submit said, or on `master`, or on all cores of this machine."""
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return _submitted_session(app, master, settings or {})
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

    target = _retrying(master or f"local[{len(os.sched_getaffinity(0))}]")
    local = target.startswith("local")
    if home := java_home():
        os.environ["JAVA_HOME"] = home
    if local:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    _environment()
    conf = SparkConf().setAppName(app).setMaster(target)
    given = _local_defaults(target) if local else {_JAVA_OPTIONS: _quiet()}
    for key, value in {**_defaults(), **given, **(settings or {})}.items():
        conf.setIfMissing(key, value)
    _no_traceback_from_a_dead_jvm()
    with _quiet_start():
        try:
            return SparkSession.builder.config(conf=conf).getOrCreate()
        except Exception as error:
            raise WinnowError(f"Spark does not start on {target}: {error}") from error


def _submitted_session(app: str, master: str | None, settings: Mapping[str, str]) -> "SparkSession":
    """A session as spark-submit was told: nothing that stands there is set here."""
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    if master is not None:
        raise ConfigurationError(
            f"--master {master}: spark-submit says where to run; give it --master instead"
        )
    _environment()
    _no_traceback_from_a_dead_jvm()
    # Only once the JVM is reached does SparkConf know what spark-submit said.
    SparkContext._ensure_initialized()
    conf = SparkConf()
    for key, value in {**_defaults(), **settings}.items():
        conf.setIfMissing(key, value)
    if conf.get("spark.app.name", "") in ("", os.path.basename(sys.argv[0])):
        # The name that spark-submit gives by itself is the script's.
        conf.setAppName(app)
    session = SparkSession.builder.config(conf=conf).getOrCreate()
    _take_wheels(session)
    return session


def _take_wheels(session: "SparkSession") -> None:
    """Give executors the wheels of --py-files under a name by which Spark knows an archive."""
    for path in session.sparkContext.getConf().get("spark.submit.pyFiles", "").split(","):
        if path.endswith(".whl"):
            archive = os.path.join(tempfile.mkdtemp(), os.path.basename(path) + ".zip")
            shutil.copyfile(path.removeprefix("file://").removeprefix("file:"), archive)
            session.sparkContext.addPyFile(archive)


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
