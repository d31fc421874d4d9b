"""The engine: what has to be done, in which order, on which parts; a stage knows nothing of it."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.io.beside import Address, InForce, Place
from pipeline.io.digests import combined, text_key
from pipeline.io.workspace import ColumnsPart, DocumentsPart, Workspace, part_key
from pipeline.spark.tasks import Progress, run_tasks
from pipeline.stages.base import MapStage, RelationalStage, Stage
from pipeline.stages.fingerprint import fingerprint
from pipeline.stages.sweep import MapWork, Measured, SweepTask, expected_key, sweep

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pipeline.spark.relational import RelationalWork

MAP_HALF = ".map"
"""Ends the name under which the map half of a relational stage is kept."""


@dataclass(frozen=True)
class PlannedStage:
    """A stage of the configuration, with the place and type of every column that it can see."""

    name: str
    stage: Stage
    where: str | None = None
    where_columns: tuple[str, ...] = ()
    addresses: Mapping[str, Address] = field(default_factory=dict)
    fields: Mapping[str, pa.Field] = field(default_factory=dict)


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


@dataclass
class _Stage:
    """A stage, or half of one, as the engine handles it."""

    name: str
    stage: Stage
    fingerprint: str
    reads: dict[str, Address]
    where: str | None
    where_reads: dict[str, Address]
    where_fields: dict[str, pa.Field]
    fields: dict[str, pa.DataType]

    @property
    def needs(self) -> set[str]:
        """The stages whose columns it reads."""
        return {a.stage for a in (*self.reads.values(), *self.where_reads.values()) if a.stage}


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
        pending = [half for planned in stages for half in _halves(planned)]
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

    def _ready(self, pending: Sequence[_Stage]) -> list[_Stage]:
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

    def _sweep(self, stages: Sequence[_Stage], figures: Mapping[str, StageFigures]) -> None:
        works = tuple(_map_work(stage) for stage in stages)
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

    def _relate(self, stage: _Stage, figures: StageFigures) -> None:
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
            for outcome in run_relational(self._session(), work, places, stage.fields):
                found[outcome.part.part] = outcome.part
                _count(figures, outcome)
        self._commit(stage, found, figures)

    def _relational_work(self, stage: _Stage, key: str) -> "RelationalWork":
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

    def _places(self, stage: _Stage) -> list[Place]:
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
        stage: _Stage,
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

    def columns_in_force(self) -> dict[str, dict[str, InForce]]:
        """By stage and part, what the run left in force."""
        return {
            name: {n: InForce(self._prints[name], p.key, p.digest) for n, p in parts.items()}
            for name, parts in self._in_force.items()
        }


def account(stage: Stage, parts: Sequence[ColumnsPart]) -> dict[str, int]:
    """Documents = measured + skipped + failed, over the parts of a stage."""
    import json

    rows = sum(part.rows for part in parts)
    if not isinstance(stage, MapStage):
        return {"documents": rows, "measured": rows, "skipped": 0, "failed": 0}
    statuses: Counter[str] = Counter()
    for part in parts:
        statuses.update(json.loads(part.statistics)["status"])
    skipped = statuses["skipped"]
    failed = sum(statuses[status] for status in ("crashed", "timeout", "invalid_reply"))
    measured = sum(statuses.values()) - skipped - failed
    assert measured + skipped + failed == rows, f"{stage.kind}: rows do not balance"
    return {"documents": rows, "measured": measured, "skipped": skipped, "failed": failed}


def _count(figures: StageFigures, outcome: Measured) -> None:
    figures.computed += outcome.computed
    figures.kept += outcome.kept
    figures.parts_made += outcome.made


def stage_fingerprint(stage: Stage) -> str:
    """A stage's fingerprint, with that of its map half."""
    half = stage.map_half() if isinstance(stage, RelationalStage) else None
    own = fingerprint(stage)
    return own if half is None else text_key(own, fingerprint(half))[:16]


def _halves(planned: PlannedStage) -> list[_Stage]:
    """The stage as the engine handles it; a relational one after its map half."""
    where_reads = {name: planned.addresses[name] for name in planned.where_columns}
    where_fields = {name: planned.fields[name] for name in planned.where_columns}
    reads = {name: planned.addresses[name] for name in planned.stage.reads}
    fields = {name: planned.fields[name].type for name in planned.stage.reads}
    whole = _Stage(
        planned.name,
        planned.stage,
        fingerprint(planned.stage),
        reads,
        planned.where,
        where_reads,
        where_fields,
        fields,
    )
    if not isinstance(planned.stage, RelationalStage):
        return [whole]
    half = planned.stage.map_half()
    if half is None:
        return [whole]
    name = planned.name + MAP_HALF
    for item in half.schema():
        reads[item.name], fields[item.name] = Address(name, item.name), item.type
    whole.fingerprint = stage_fingerprint(planned.stage)
    first = replace(
        whole,
        name=name,
        stage=half,
        fingerprint=fingerprint(half),
        reads={column: planned.addresses[column] for column in half.reads},
        fields={column: planned.fields[column].type for column in half.reads},
    )
    return [first, whole]


def _map_work(stage: _Stage) -> MapWork:
    assert isinstance(stage.stage, MapStage)
    return MapWork(
        stage.name,
        stage.stage,
        stage.fingerprint,
        stage.reads,
        stage.where,
        stage.where_reads,
        stage.where_fields,
    )
