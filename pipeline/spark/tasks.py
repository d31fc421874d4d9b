"""Work by the task on Spark: each commits what it makes, the driver hears of it."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from pipeline.spark.failures import reason
from schemas.errors import WinnowError

if TYPE_CHECKING:
    from pyspark.resource import ResourceProfile
    from pyspark.sql import SparkSession

Spec = TypeVar("Spec")
Result = TypeVar("Result")


class Progress(Protocol):
    """What a long step tells about itself while it runs."""

    def start(self, label: str, tasks: int, size: int) -> None:
        """A step of so many tasks and bytes begins."""
        ...

    def advance(self, tasks: int, size: int) -> None:
        """So many tasks and bytes are done in all."""
        ...

    def finish(self) -> None:
        """The step has ended, well or not."""
        ...


class Silent:
    """Tells nothing."""

    def start(self, label: str, tasks: int, size: int) -> None:
        """Nothing."""

    def advance(self, tasks: int, size: int) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


def run_tasks(
    spark: "SparkSession",
    label: str,
    function: Callable[[Spec], Result],
    specs: Sequence[Spec],
    sizes: Sequence[int],
    progress: Progress,
    profile: "ResourceProfile | None" = None,
) -> list[Result]:
    """`function` of every spec, in order; a task that failed too often fails the step.

    Specs are bundled, so that a task is neither tiny nor so large that a failure costs much.
    `profile` says what a task needs, where that is more than the application's tasks need.
    """
    if not specs:
        return []
    context = spark.sparkContext
    bundles = _bundles(specs, sizes, context.defaultParallelism)
    done = context.accumulator(0)
    size_done = context.accumulator(0)

    def run(bundle: list[tuple[Spec, int]]) -> list[Result]:
        results = []
        for spec, size in bundle:
            results.append(function(spec))
            done.add(1)
            size_done.add(size)
        return results

    progress.start(label, len(specs), sum(sizes))
    stop = threading.Event()
    watch = threading.Thread(
        target=_watch,
        args=(stop, lambda: progress.advance(done.value, size_done.value)),
        daemon=True,
    )
    watch.start()
    try:
        with described(spark, label), explained(label):
            handed = context.parallelize(bundles, len(bundles)).map(run)
            parts = (handed.withResources(profile) if profile else handed).collect()
    finally:
        stop.set()
        watch.join()
        progress.finish()
    return [result for part in parts for result in part]


def _watch(stop: threading.Event, tell: Callable[[], None]) -> None:
    while not stop.wait(0.5):
        tell()
    tell()


def _bundles(
    specs: Sequence[Spec], sizes: Sequence[int], cores: int
) -> list[list[tuple[Spec, int]]]:
    """Consecutive specs in bundles of about a 16th of a core's share, at most 512 a bundle."""
    share = max(1, sum(sizes) // (cores * 16))
    bundles: list[list[tuple[Spec, int]]] = []
    held = share
    for spec, size in zip(specs, sizes, strict=True):
        if held >= share or len(bundles[-1]) >= 512:
            bundles.append([])
            held = 0
        bundles[-1].append((spec, size))
        held += size
    return bundles


_NAMES = ("spark.jobGroup.id", "spark.job.description", "callSite.short")


@contextlib.contextmanager
def described(spark: "SparkSession", label: str) -> Iterator[None]:
    """Let what Spark runs have a name by which a person knows it in its UI and event log."""
    context = spark.sparkContext
    before = [context.getLocalProperty(name) for name in _NAMES]
    for name in _NAMES:
        context.setLocalProperty(name, label)
    try:
        yield
    finally:
        for name, value in zip(_NAMES, before, strict=True):
            # None takes the property away again.
            context.setLocalProperty(name, cast("str", value))


@contextlib.contextmanager
def explained(label: str) -> Iterator[None]:
    """Tell of an error of Spark's, or of one of its workers, in one line."""
    try:
        yield
    except (WinnowError, AssertionError):
        raise
    except Exception as error:
        raise WinnowError(f"{label}: {reason(error)}") from error
