"""A Spark session that starts with the first task, so that a run with nothing to do needs none."""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class LazySession:
    """Starts Spark when it is first asked for, and stops what it started."""

    def __init__(self, app: str, master: str | None = None) -> None:
        self._app, self._master = app, master
        self._session: SparkSession | None = None
        self.seconds = 0.0
        """How long the start took."""

    def get(self) -> "SparkSession":
        """The session."""
        if self._session is None:
            from pipeline.spark.session import open_session

            began = time.monotonic()
            self._session = open_session(self._app, self._master, {})
            self.seconds = time.monotonic() - began
        return self._session

    def __enter__(self) -> "LazySession":
        return self

    def __exit__(self, *_: object) -> None:
        """Stop Spark, if it was started."""
        if self._session is not None:
            self._session.stop()
            self._session = None
