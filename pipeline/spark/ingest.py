"""Ingest on Spark: one generation for what is new, committed when all its tasks are."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.io.contents import touched_stamps
from pipeline.io.generations import (
    IngestOptions,
    claim,
    commit,
    make_plan,
    new_inputs,
)
from pipeline.io.ingest import IngestTask, run_ingest_task
from pipeline.io.inputs import InputFile, Unit
from pipeline.io.tally import SourceFigures, figures_by_source, records_sound
from pipeline.io.workspace import Workspace
from pipeline.spark.attempts import attempt
from pipeline.spark.tasks import Progress, run_tasks
from schemas.errors import WinnowError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass
class IngestFigures:
    """What an ingest did, and what all the workspace's generations hold."""

    sources: dict[str, SourceFigures]
    new_files: int = 0
    new_bytes: int = 0
    """Of the files, as they lie there."""
    new_documents: int = 0
    parts_made: int = 0
    seconds: float = 0.0


def ingest(
    workspace: Workspace,
    inputs: Mapping[str, Sequence[InputFile]],
    options: IngestOptions,
    session: Callable[[], "SparkSession"],
    progress: Progress,
) -> IngestFigures:
    """Read what no generation has read yet; the figures of all generations."""
    figures = IngestFigures({})
    began = time.monotonic()
    if not options.reingest:
        workspace.note_stamps(touched_stamps(workspace.generations(), inputs))
    while new := new_inputs(workspace.generations(), inputs, options):
        plan = make_plan(new, options)
        number = claim(workspace, plan)
        if number is None:
            continue
        tasks = plan.ingest_tasks(workspace.store.root, number)
        sizes = [sum(_size(unit) for unit in task.units) for task in tasks]
        spark = session()
        began = time.monotonic()
        results = run_tasks(spark, "ingest", _read, tasks, sizes, progress)
        _check_rejects(results, options.max_rejects)
        commit(workspace, number, plan, results)
        figures.new_files, figures.new_bytes = len(new), sum(sizes)
        figures.new_documents = sum(t["documents"] for r in results for t in r["tallies"])
        figures.parts_made = sum(result["made"] for result in results)
        break
    figures.seconds = time.monotonic() - began
    figures.sources = figures_by_source(workspace.generations())
    return figures


def ingested(workspace: Workspace) -> IngestFigures:
    """What the workspace's generations hold; an error where there is none."""
    generations = workspace.generations()
    if not generations:
        raise WinnowError(f"{workspace.store.root} holds no documents yet; ingest them first")
    return IngestFigures(figures_by_source(generations))


def _read(task: IngestTask) -> dict[str, Any]:
    return run_ingest_task(task, attempt())


def _size(unit: Unit) -> int:
    return max(0, unit.end - unit.start) if unit.end >= 0 else unit.file.size


def _check_rejects(results: Sequence[Mapping[str, Any]], limit: float) -> None:
    documents: Counter[str] = Counter()
    rejects: dict[str, Counter[str]] = {}
    for result in results:
        for tally in result["tallies"]:
            documents[tally["source"]] += records_sound(tally)
            rejects.setdefault(tally["source"], Counter()).update(tally["rejects"])
    for source, reasons in rejects.items():
        lost = reasons.total()
        if lost and lost > limit * (documents[source] + lost):
            told = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common(5))
            raise WinnowError(
                f"source {source}: {lost} of {documents[source] + lost} records were rejected "
                f"({told}), more than max_rejects = {limit:g} allows; the rejects folder of the "
                "workspace names each; mend the source, or raise max_rejects and run again"
            )
