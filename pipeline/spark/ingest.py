"""Ingest on Spark: one generation for what is new, committed when all its tasks are."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.io.digests import canonical_json
from pipeline.io.faults import fault
from pipeline.io.ingest import IngestTask, cut, part_target, run_ingest_task
from pipeline.io.inputs import InputFile, Unit
from pipeline.io.records import ReadOptions
from pipeline.io.workspace import DocumentsPart, Workspace
from pipeline.spark.attempts import attempt
from pipeline.spark.tasks import Progress, run_tasks
from schemas.errors import WinnowError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class IngestOptions:
    """What the configuration says of ingest."""

    part_bytes: int
    max_rejects: float
    accept_changes: bool
    read: Mapping[str, ReadOptions]
    """By source."""


@dataclass
class SourceFigures:
    """What became of the records of one source, over all generations."""

    source: str
    files: int = 0
    records: int = 0
    documents: int = 0
    bytes: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)


@dataclass
class IngestFigures:
    """What an ingest did, and what all the workspace's generations hold."""

    sources: dict[str, SourceFigures]
    new_files: int = 0
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
    generations = workspace.generations()
    new = _new_inputs(generations, inputs, options.accept_changes)
    made = 0
    if new:
        number = len(generations) + 1
        tasks = _plan(workspace, number, new, options)
        sizes = [sum(_size(unit) for unit in task.units) for task in tasks]
        results = run_tasks(session(), "ingest", _read, tasks, sizes, progress)
        made = sum(int(str(result["made"])) for result in results)
        _check_rejects(results, options.max_rejects)
        _commit(workspace, number, tasks, results)
        generations = workspace.generations()
    return IngestFigures(_figures(generations), len(new), made)


def _size(unit: Unit) -> int:
    return max(0, unit.end - unit.start) if unit.end >= 0 else unit.file.size


def _new_inputs(
    generations: Sequence[Mapping[str, Any]],
    inputs: Mapping[str, Sequence[InputFile]],
    accept_changes: bool,
) -> list[InputFile]:
    """The files that no generation names; a changed or vanished one is an error unless accepted."""
    known = {
        (item["source"], item["path"]): item for record in generations for item in record["inputs"]
    }
    current = {(file.source, file.path): file for files in inputs.values() for file in files}
    changed = [
        key
        for key, item in known.items()
        if key[0] in inputs
        and (
            key not in current
            or (current[key].size, current[key].stamp) != (item["size"], item["stamp"])
        )
    ]
    if changed and not accept_changes:
        source, path = changed[0]
        what = "has changed since it was ingested" if changed[0] in current else "is gone"
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        raise WinnowError(
            f"source {source}: {path} {what}{more}; restore it, or go on with the documents "
            "as they were ingested with --accept-changes, or start a new workspace"
        )
    return [file for key, file in current.items() if key not in known]


def _read(task: IngestTask) -> dict[str, object]:
    return run_ingest_task(task, attempt())


def _plan(
    workspace: Workspace, number: int, files: Sequence[InputFile], options: IngestOptions
) -> list[IngestTask]:
    """The generation's tasks, fixed by the first run that plans it."""
    path = f"documents/_index/{number:06d}/plan.json"
    if not workspace.store.exists(path):
        target = part_target(sum(file.size for file in files), options.part_bytes)
        tasks = [
            IngestTask(
                workspace.store.root,
                number,
                index,
                units,
                options.read[units[0].file.source],
                target,
            )
            for index, units in enumerate(cut(files, target))
        ]
        content = canonical_json([asdict(task) for task in tasks])
        fault("ingest.plan.before")
        workspace.store.create(path, content.encode())
        fault("ingest.plan.after")
    return [
        _restored(told, workspace.store.root) for told in json.loads(workspace.store.read(path))
    ]


def _restored(told: dict[str, Any], root: str) -> IngestTask:
    units = tuple(Unit(InputFile(**u["file"]), u["start"], u["end"]) for u in told["units"])
    options = ReadOptions(**told["options"])
    return IngestTask(**{**told, "units": units, "options": options, "workspace": root})


def _check_rejects(results: Sequence[Mapping[str, Any]], limit: float) -> None:
    documents: Counter[str] = Counter()
    rejects: dict[str, Counter[str]] = {}
    for result in results:
        for tally in result["tallies"]:
            documents[tally["source"]] += tally["documents"]
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


def _commit(
    workspace: Workspace,
    number: int,
    tasks: Sequence[IngestTask],
    results: Sequence[Mapping[str, Any]],
) -> None:
    parts = [DocumentsPart(**part) for result in results for part in result["parts"]]
    tallies = _by_file(results)
    inputs = {
        (unit.file.source, unit.file.path): {
            "source": unit.file.source,
            "path": unit.file.path,
            "size": unit.file.size,
            "stamp": unit.file.stamp,
            **tallies[unit.file.source, unit.file.path],
        }
        for task in tasks
        for unit in task.units
    }
    ordered = [inputs[key] for key in sorted(inputs)]
    documents = sum(part.rows for part in parts)
    counted = sum(int(str(item["documents"])) for item in ordered)
    if documents != counted:
        raise WinnowError(f"ingest counted {counted} documents but wrote {documents}: a defect")
    record = {"documents": documents, "inputs": ordered}
    workspace.commit_generation(number, parts, record)


def _by_file(results: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    files: dict[tuple[str, str], dict[str, Any]] = {}
    for result in results:
        for tally in result["tallies"]:
            entry = files.setdefault(
                (tally["source"], tally["path"]),
                {"records": 0, "documents": 0, "bytes": 0, "passed_over": {}, "rejects": {}},
            )
            for name in ("records", "documents", "bytes"):
                entry[name] += tally[name]
            for name in ("passed_over", "rejects"):
                entry[name] = dict(sorted((Counter(entry[name]) + Counter(tally[name])).items()))
    return files


def _figures(generations: Sequence[Mapping[str, Any]]) -> dict[str, SourceFigures]:
    """Totals by source; records = documents + passed over + rejects holds in each."""
    sources: dict[str, SourceFigures] = {}
    for record in generations:
        for item in record["inputs"]:
            figures = sources.setdefault(item["source"], SourceFigures(item["source"]))
            figures.files += 1
            figures.records += item["records"]
            figures.documents += item["documents"]
            figures.bytes += item["bytes"]
            figures.passed_over.update(item["passed_over"])
            figures.rejects.update(item["rejects"])
    for figures in sources.values():
        told = figures.documents + figures.passed_over.total() + figures.rejects.total()
        if told != figures.records:
            raise WinnowError(f"source {figures.source}: records do not balance: a defect")
    return sources
