"""The engine: what has to be done, in which order, on which parts; a stage knows nothing of it."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.io.beside import InForce, Place
from pipeline.io.digests import combined
from pipeline.io.workspace import ColumnsPart, DocumentsPart, Workspace, part_key
from pipeline.spark.halves import MAP_HALF, PlannedStage, StageHalf, halves
from pipeline.spark.tasks import Progress, explained, run_tasks
from pipeline.stages.base import MapStage, RelationalStage, Stage
from pipeline.stages.sweep import MapWork, Measured, SweepTask, expected_key, sweep

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pipeline.spark.relational import RelationalWork


@dataclass
class StageFigures:
    """What a stage did in this run."""

    name: str
    documents: int = 0
    measured: int = 0
    skipped: int = 0
    failed: int = 0
    computed: int = 0
    kept: int = 0
    parts_made: int = 0
    parts_found: int = 0
    bytes: int = 0
    seconds: float = 0.0
    remarks: dict[str, int] = field(default_factory=dict)


class Engine:
    """Brings the stages of a workspace up to date; Spark starts with the first task."""

    def __init__(
        self, workspace: Workspace, session: Callable[[], "SparkSession"], progress: Progress
    ) -> None:
        self._workspace = workspace
        self._session = session
        self._progress = progress
        self._parts: list[DocumentsPart] = []
        self._in_force: dict[str, dict[str, ColumnsPart]] = {}
        self._prints: dict[str, str] = {}

    def run(self, stages: Sequence[PlannedStage]) -> list[StageFigures]:
        """Measure what is missing; the figures of each stage, in order."""
        self._parts = self._workspace.documents()
        pending = [half for planned in stages for half in halves(planned)]
        figures = {stage.name: StageFigures(stage.name) for stage in pending}
        while pending:
            ready = self._ready(pending)
            began = time.monotonic()
            if isinstance(ready[0].stage, MapStage):
                self._sweep(ready, figures)
            else:
                self._relate(ready[0], figures[ready[0].name])
            spent = time.monotonic() - began
            for stage in ready:
                figures[stage.name].seconds = spent / len(ready)
                pending.remove(stage)
        for planned in stages:
            if half := figures.pop(planned.name + MAP_HALF, None):
                figures[planned.name].seconds += half.seconds
        return list(figures.values())

    def _ready(self, pending: Sequence[StageHalf]) -> list[StageHalf]:
        """Every map stage that can go in the next sweep; or else the next relational stage."""
        known = set(self._in_force)
        found = []
        for stage in pending:
            if isinstance(stage.stage, MapStage) and stage.needs <= known:
                found.append(stage)
                known.add(stage.name)
        if found:
            return found
        return [next(s for s in pending if s.needs <= self._in_force.keys())]

    def _digests(self, part: DocumentsPart) -> dict[str, str]:
        return {name: parts[part.part].digest for name, parts in self._in_force.items()}

    def _sweep(self, stages: Sequence[StageHalf], figures: Mapping[str, StageFigures]) -> None:
        works = tuple(stage.work() for stage in stages)
        self._prints.update((stage.name, stage.fingerprint) for stage in stages)
        measured: dict[str, dict[str, ColumnsPart]] = {stage.name: {} for stage in stages}
        earlier = {s.name: self._workspace.earlier_parts(s.name, s.fingerprint) for s in stages}
        tasks = []
        for part in self._parts:
            digests = self._digests(part)
            todo = []
            for work in works:
                key = expected_key(work, part, digests)
                found = next(
                    (p for p in earlier[work.name].get(part.part, ()) if p.key == key), None
                )
                if found is None:
                    todo.append(work)
                else:
                    measured[work.name][part.part] = found
                    digests[work.name] = found.digest
            if todo:
                tasks.append(self._task(part, todo, measured, earlier))
        label = "measure " + ", ".join(stage.name for stage in stages)
        for outcome in self._run(label, tasks):
            measured[outcome.stage][outcome.part.part] = outcome.part
            _count(figures[outcome.stage], outcome)
        for stage in stages:
            self._commit(stage, measured[stage.name], figures[stage.name])

    def _task(
        self,
        part: DocumentsPart,
        todo: Sequence[MapWork],
        measured: Mapping[str, Mapping[str, ColumnsPart]],
        earlier: Mapping[str, Mapping[str, Sequence[ColumnsPart]]],
    ) -> SweepTask:
        in_force = {}
        for name, parts in [*self._in_force.items(), *measured.items()]:
            if part.part in parts:
                found = parts[part.part]
                in_force[name] = InForce(self._prints[name], found.key, found.digest)
        keys = {
            work.name: tuple(p.key for p in earlier[work.name].get(part.part, ())) for work in todo
        }
        return SweepTask(self._workspace.store.root, part, tuple(todo), in_force, keys)

    def _run(self, label: str, tasks: Sequence[SweepTask]) -> list[Measured]:
        if not tasks:
            return []
        from pipeline.spark.attempts import attempt

        def measure(task: SweepTask) -> list[Measured]:
            return sweep(task, attempt())

        sizes = [task.part.bytes for task in tasks]
        found = run_tasks(self._session(), label, measure, tasks, sizes, self._progress)
        return [outcome for outcomes in found for outcome in outcomes]

    def _relate(self, stage: StageHalf, figures: StageFigures) -> None:
        inputs = combined(
            [stage.where or "", *(part.ids for part in self._parts)]
            + [self._in_force[n][p.part].digest for n in sorted(stage.needs) for p in self._parts]
        )
        key = part_key(stage.fingerprint, inputs)
        earlier = self._workspace.earlier_parts(stage.name, stage.fingerprint)
        found = {
            part.part: match
            for part in self._parts
            for match in earlier.get(part.part, ())
            if match.key == key
        }
        if len(found) < len(self._parts):
            from pipeline.spark.relational import run_relational

            work, places = self._relational_work(stage, key), self._places(stage)
            with explained(f"stage {stage.name}"):
                outcomes = run_relational(self._session(), work, places, stage.fields)
            for outcome in outcomes:
                found[outcome.part.part] = outcome.part
                _count(figures, outcome)
        self._commit(stage, found, figures)

    def _relational_work(self, stage: StageHalf, key: str) -> "RelationalWork":
        from pipeline.spark.relational import RelationalWork

        assert isinstance(stage.stage, RelationalStage)
        return RelationalWork(
            self._workspace.store.root,
            stage.name,
            stage.stage,
            stage.fingerprint,
            key,
            stage.reads,
            stage.where,
            stage.where_reads,
            stage.where_fields,
        )

    def _places(self, stage: StageHalf) -> list[Place]:
        """Every part with the columns that the stage reads beside it."""
        needs = sorted(stage.needs)
        return [
            Place(
                number,
                part,
                {
                    name: InForce(self._prints[name], found.key, found.digest)
                    for name in needs
                    if (found := self._in_force[name][part.part])
                },
            )
            for number, part in enumerate(self._parts)
        ]

    def _commit(
        self,
        stage: StageHalf,
        parts: Mapping[str, ColumnsPart],
        figures: StageFigures,
    ) -> None:
        """Put the parts in force, unless they are; then account for every document."""
        totals = account(stage.stage, [parts[part.part] for part in self._parts])
        record = {
            "stage": stage.name,
            "kind": stage.stage.kind,
            "fingerprint": stage.fingerprint,
            "inputs": combined(part.ids for part in self._parts),
            "where": stage.where,
            "columns": stage.stage.schema().names,
            "totals": totals,
        }
        keys = {name: part.key for name, part in parts.items()}
        now = self._workspace.stage(stage.name)
        same = now is not None and {n: p.key for n, p in now.parts.items()} == keys
        if not same or now is None or now.fingerprint != stage.fingerprint:
            point = "map" if isinstance(stage.stage, MapStage) else "relational"
            self._workspace.commit_stage(record, parts.values(), point)
        self._in_force[stage.name] = dict(parts)
        self._prints[stage.name] = stage.fingerprint
        figures.documents = sum(part.rows for part in self._parts)
        figures.bytes = sum(part.bytes for part in self._parts)
        figures.measured = totals["measured"]
        figures.skipped, figures.failed = totals["skipped"], totals["failed"]
        figures.parts_found = len(self._parts) - figures.parts_made
        figures.remarks = remarked(parts.values())


def account(stage: Stage, parts: Sequence[ColumnsPart]) -> dict[str, int]:
    """Documents = measured + skipped + failed, over the parts of a stage."""
    rows = sum(part.rows for part in parts)
    statuses: Counter[str] = Counter()
    for part in parts:
        statuses.update(json.loads(part.statistics)["status"])
    skipped = statuses["skipped"]
    failed = sum(statuses[status] for status in ("crashed", "timeout", "invalid_reply"))
    measured = sum(statuses.values()) - skipped - failed
    assert measured + skipped + failed == rows, f"{stage.kind}: rows do not balance"
    return {"documents": rows, "measured": measured, "skipped": skipped, "failed": failed}


def remarked(parts: Iterable[ColumnsPart]) -> dict[str, int]:
    """What is to be said of a stage's parts, with the documents that it holds for."""
    found: Counter[str] = Counter()
    for part in parts:
        found.update(json.loads(part.statistics).get("remarks", {}))
    return {remark: count for remark, count in sorted(found.items()) if count}


def _count(figures: StageFigures, outcome: Measured) -> None:
    figures.computed += outcome.computed
    figures.kept += outcome.kept
    figures.parts_made += outcome.made
