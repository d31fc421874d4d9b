"""Trying again: how often Spark has tried a task, and work whose intermediate rows are lost."""

from collections.abc import Callable
from typing import TypeVar

from pipeline.spark.session import TRIES

Result = TypeVar("Result")

LOST = "CHECKPOINT_RDD_BLOCK_ID_NOT_FOUND"
"""What Spark calls it that all executors are gone which held rows that can't be made anew."""


def attempt() -> int:
    """0 at the first try; in the driver always 0."""
    from pyspark import TaskContext

    context = TaskContext.get()
    return context.attemptNumber() if context else 0


def begun_anew(work: Callable[[], Result]) -> Result:
    """What the work gives; it begins anew, a few times, where executors took its rows with them."""
    for _ in range(TRIES - 1):
        try:
            return work()
        except Exception as error:
            if LOST not in str(error):
                raise
    return work()
