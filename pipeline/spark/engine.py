"""The engine: what has to be done, in which order, on which parts; a stage knows nothing of it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.io.beside import Place
from pipeline.io.workspace import Workspace
from pipeline.spark.halves import MAP_HALF, PlannedStage, StageHalf, halves
from pipeline.spark.standing import Standing, remarked
from pipeline.spark.tasks import Progress, explained, run_tasks
from pipeline.stages.base import MapStage, RelationalStage
from pipeline.stages.sharing import measure_shared
from pipeline.stages.sweep import Measured, SweepTask, sweep

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
    doubled: int = 0
    """Rows measured here although another process had measured them by then."""
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

    def run(self, stages: Sequence[PlannedStage]) -> list[StageFigures]:
        """Measure what is missing; the figures of each stage, in order."""
        self._standing = Standing(self._workspace)
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
                self._commit(stage, figures[stage.name])
        for planned in stages:
            if half := figures.pop(planned.name + MAP_HALF, None):
                _join(figures[planned.name], half, copies=planned.copy_of is not None)
        return list(figures.values())

    def _ready(self, pending: Sequence[StageHalf]) -> list[StageHalf]:
        """Every map stage that can go in the next sweep; or else the next stage by itself.

        One that is measured in slices goes by itself: it may need other machines.
        """
        known = set(self._standing.found)
        found = []
        for stage in pending:
            if isinstance(stage.stage, MapStage) and not stage.sliced and stage.needs <= known:
                found.append(stage)
                known.add(stage.name)
        if found:
            return found
        return [next(s for s in pending if s.needs <= self._standing.found.keys())]

    def _sweep(self, stages: Sequence[StageHalf], figures: Mapping[str, StageFigures]) -> None:
        missing = {stage.name: {p.part for p in self._standing.look(stage)} for stage in stages}
        tasks = []
        for part in self._standing.parts:
            todo = [stage.work() for stage in stages if part.part in missing[stage.name]]
            if todo:
                tasks.append(self._standing.task(part, todo))
        label = "measure " + ", ".join(stage.name for stage in stages)
        for outcome in self._run(label, tasks, stages[0].sliced):
            self._standing.add(outcome.stage, outcome.part)
            _count(figures[outcome.stage], outcome)

    def _run(self, label: str, tasks: Sequence[SweepTask], sliced: bool) -> list[Measured]:
        if not tasks:
            return []
        from pipeline.spark.attempts import attempt
        from pipeline.spark.devices import visible_devices, with_device

        def measure(task: SweepTask) -> list[Measured]:
            if sliced:
                return measure_shared(task, visible_devices())
            return sweep(task, attempt())

        session = self._session()
        profile = with_device(session) if sliced else None
        sizes = [task.part.bytes for task in tasks]
        found = run_tasks(session, label, measure, tasks, sizes, self._progress, profile)
        return [outcome for outcomes in found for outcome in outcomes]

    def _relate(self, stage: StageHalf, figures: StageFigures) -> None:
        if not self._standing.look(stage):
            return
        from pipeline.spark.attempts import begun_anew
        from pipeline.spark.relational import run_relational

        work, places, session = self._relational_work(stage), self._places(stage), self._session()
        with explained(f"stage {stage.name}"):
            outcomes = begun_anew(lambda: run_relational(session, work, places, stage.fields))
        for outcome in outcomes:
            self._standing.add(stage.name, outcome.part)
            _count(figures, outcome)

    def _relational_work(self, stage: StageHalf) -> "RelationalWork":
        from pipeline.spark.relational import RelationalWork

        assert isinstance(stage.stage, RelationalStage)
        return RelationalWork(
            self._workspace.store.root,
            stage.name,
            stage.stage,
            stage.fingerprint,
            self._standing.relational_key(stage),
            stage.reads,
            stage.where,
            stage.where_reads,
            stage.where_fields,
        )

    def _places(self, stage: StageHalf) -> list[Place]:
        """Every part with the columns that the stage reads beside it."""
        places = []
        for number, part in enumerate(self._standing.parts):
            beside = self._standing.beside(part)
            places.append(Place(number, part, {name: beside[name] for name in sorted(stage.needs)}))
        return places

    def _commit(self, stage: StageHalf, figures: StageFigures) -> None:
        totals, parts = self._standing.commit(stage), self._standing.parts
        figures.documents = sum(part.rows for part in parts)
        figures.bytes = sum(part.bytes for part in parts)
        figures.measured = totals["measured"]
        figures.skipped, figures.failed = totals["skipped"], totals["failed"]
        figures.parts_found = len(parts) - figures.parts_made
        figures.remarks = remarked(self._standing.found[stage.name].values())


def _join(figures: StageFigures, half: StageFigures, copies: bool) -> None:
    """Add what the map half did; giving copies their values measures nothing."""
    figures.seconds += half.seconds
    if copies:
        figures.computed, figures.kept, figures.doubled = half.computed, half.kept, half.doubled
        figures.remarks = half.remarks


def _count(figures: StageFigures, outcome: Measured) -> None:
    figures.computed += outcome.computed
    figures.kept += outcome.kept
    figures.doubled += outcome.doubled
    figures.parts_made += outcome.made
