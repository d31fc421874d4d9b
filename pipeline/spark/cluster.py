"""Executors on other machines: that they have this very package and share the workspace."""

import contextlib
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.io.entries import TEMPORARY
from pipeline.io.shipped import build
from pipeline.io.store import SHARE, Store
from pipeline.spark.failures import SHIP
from pipeline.spark.tasks import described, explained
from schemas.errors import WinnowError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Looked = tuple[str, str, str]
"""A file that a task was to write, the task's host, and what is wrong there or nothing."""


def check_executors(spark: "SparkSession", store: Store) -> None:
    """Raise, before any work, where an executor could not take part in it.

    The driver writes a file and each task reads it; each task writes one and the driver reads it.
    """
    if str(spark.sparkContext.master).startswith("local"):
        return
    folder = f"{TEMPORARY}/probe-{uuid.uuid4().hex}"
    tasks = 2 * spark.sparkContext.defaultParallelism
    paths = [f"{folder}/{number}" for number in range(tasks)]
    store.create(f"{folder}/driver", b"1")
    try:
        with described(spark, "look at the executors"), explained("executors"):
            look = _look(build(), store.root, f"{folder}/driver")
            found = spark.sparkContext.parallelize(paths, tasks).map(look).collect()
        for path, host, problem in found:
            if not problem and not store.exists(path):
                problem = f"what it writes to {store.root} does not arrive here; {SHARE}"
            if problem:
                raise WinnowError(f"executor on {host}: {problem}")
    finally:
        for path in (f"{folder}/driver", *paths):
            with contextlib.suppress(OSError):
                store.delete(path)


def _look(wanted: str, root: str, driver: str) -> Callable[[str], Looked]:
    """What a task runs; it goes to the executors by value, because they may lack this module."""
    ship, share = SHIP, SHARE

    def problem(path: str) -> str:
        try:
            from pipeline.io.shipped import build as own
            from pipeline.io.store import open_store as opened
        except ImportError as error:
            return f"it lacks Winnow, or has an old one ({error}); {ship}"
        if own() != wanted:
            return f"it has Winnow {own()}, and the driver {wanted}; {ship}"
        try:
            store = opened(root)
            if not store.exists(driver):
                return f"it does not see the driver's files in {root}; {share}"
            store.create(path, b"1")
        except OSError as error:
            return f"it can't use {root} ({error}); {share}"
        return ""

    def look(path: str) -> Looked:
        import socket
        import time

        # So long that one executor does not take the tasks of all.
        time.sleep(0.1)
        return path, socket.gethostname(), problem(path)

    return look
