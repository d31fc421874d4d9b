"""A Spark session that starts with the first task, so that a run with nothing to do needs none."""

import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from pipeline.io.store import Store
from schemas.errors import WinnowError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class LazySession:
    """Starts Spark when it is first asked for, and stops what it started.

    A session that is active already is used, and goes on. The executors of one that it starts
    have to share the workspace, where one is named.
    """

    def __init__(self, app: str, master: str | None = None, workspace: Store | None = None) -> None:
        self._app, self._master, self._workspace = app, master, workspace
        self._session: SparkSession | None = None
        self.seconds = 0.0
        """How long the start took."""

    def get(self) -> "SparkSession":
        """The session."""
        if self._session is None:
            from pyspark.sql import SparkSession

            if (active := SparkSession.getActiveSession()) is not None:
                return active
            from pipeline.spark.cluster import check_executors
            from pipeline.spark.session import open_session

            began = time.monotonic()
            self._session = open_session(self._app, self._master)
            _interrupt_plainly()
            if self._workspace is not None:
                check_executors(self._session, self._workspace)
            self.seconds = time.monotonic() - began
        return self._session

    def __enter__(self) -> "LazySession":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Stop Spark, if it was started; say so if it has died."""
        session, self._session = self._session, None
        if session is None:
            return
        if not _died(session, 1.0 if error else 0.0):
            session.stop()
        elif error is None or isinstance(error, Exception):
            raise WinnowError(
                "Spark's Java process has died (killed, or out of memory: --master takes fewer "
                "cores, spark.driver.memory more memory); the same command goes on from here"
            ) from error


def _interrupt_plainly() -> None:
    """Let an interrupt be just that: PySpark's handler calls the JVM within other calls to it."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _died(session: "SparkSession", patience: float) -> bool:
    """Whether the JVM that this process started is gone, or goes within `patience` seconds."""
    process = getattr(session.sparkContext._gateway, "proc", None)
    if process is None:
        return False
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        return False
    return True
