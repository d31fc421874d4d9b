"""A worker's shift: the slices of rater stages, until there are none, without Spark."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from jobs.settings import nearest
from pipeline.io.workspace import DocumentsPart, Workspace
from pipeline.spark.halves import MAP_HALF, PlannedStage, StageHalf, halves
from pipeline.spark.standing import Standing
from pipeline.stages.isolated import IsolatedStage
from pipeline.stages.sharing import Sharer, Visit
from pipeline.stages.sliced import MeasuredSlice, SlicedPart
from pipeline.stages.sweep import MapWork
from schemas.errors import ConfigurationError, WinnowError


class StoppedError(WinnowError):
    """The worker was asked to stop."""


@dataclass
class Rated:
    """What a worker has done of a stage, and what it knows of the whole."""

    stage: str
    documents: int = 0
    """Documents of the parts that were not whole when the worker began."""
    done: int = 0
    """Those of them that are measured by now, as far as this worker has seen."""
    began_with: int = 0
    """Those of them that had been measured before."""
    computed: int = 0
    kept: int = 0
    doubled: int = 0
    """Documents rated here although another worker had rated them by then."""
    tokens: int = 0
    slices: int = 0
    in_force: bool = False
    seconds: float = 0.0

    @property
    def left(self) -> int:
        """Documents that are not measured yet."""
        return self.documents - self.done

    @property
    def eta(self) -> float | None:
        """Seconds until the stage is through, as all workers go on now; None before it is known."""
        gone = self.done - self.began_with
        return self.left * self.seconds / gone if gone and self.seconds else None


@dataclass
class Shift:
    """What one worker does; `figures` grow while it works, also where it is stopped."""

    workspace: Workspace
    tell: Callable[[Rated], None]
    """Told after each slice, and while the worker waits for others."""
    stopping: Callable[[], bool]
    figures: list[Rated] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    """Stages that can't be rated yet, and the stage that has to be measured first."""

    def run(self, stages: Sequence[PlannedStage], only: str | None = None) -> None:
        """Rate what can be rated; StoppedError where the worker was asked to stop."""
        chosen = _chosen(stages, only)
        standing = Standing(self.workspace)
        for planned in stages:
            for half in halves(planned):
                missing = standing.look(half)
                if not half.sliced or planned.name not in chosen:
                    continue
                if absent := [name for name in half.needs if not standing.complete({name})]:
                    self.waiting[planned.name] = _last(stages, absent)
                    continue
                rated = Rated(planned.name, sum(part.rows for part in missing))
                self.figures.append(rated)
                if missing:
                    self._rate(standing, half, missing, rated)
                standing.commit(half)
                rated.in_force = True

    def _rate(
        self, standing: Standing, half: StageHalf, missing: list[DocumentsPart], rated: Rated
    ) -> None:
        work, began = half.work(), time.monotonic()
        seen: dict[str, int] = {}

        def told(done: MeasuredSlice) -> None:
            rated.slices += 1
            rated.tokens += done.tokens
            rated.computed += done.computed
            rated.kept += done.kept
            rated.doubled += 0 if done.made else done.computed
            rated.done += done.rows
            rated.seconds = time.monotonic() - began
            self.tell(rated)
            self._check()

        with ExitStack() as stack:
            isolated = stack.enter_context(IsolatedStage(work.stage))
            sharer = Sharer(self.workspace.store, isolated, told)
            # Each worker begins at another part, so that they seldom meet.
            first = uuid.uuid4().int % len(missing)
            left = [*missing[first:], *missing[:first]]
            while left:
                left = list(self._pass(standing, work, left, sharer, rated, seen))
                if left:
                    rated.seconds = time.monotonic() - began
                    self.tell(rated)
                    self._wait(sharer.leases.patience)

    def _pass(
        self,
        standing: Standing,
        work: MapWork,
        parts: Sequence[DocumentsPart],
        sharer: Sharer,
        rated: Rated,
        seen: dict[str, int],
    ) -> Iterator[DocumentsPart]:
        """Visit each part once; those that are not whole yet, as others hold some of their rows."""
        for part in parts:
            self._check()
            visit = Visit()
            with SlicedPart(standing.task(part, [work])) as sliced:
                whole = sharer.visit(sliced, visit)
            rows = part.rows if whole else visit.done
            # What this worker has done is counted already, as it went.
            by_others = rows - seen.get(part.part, 0) - visit.measured
            rated.done += by_others
            if part.part not in seen:
                rated.began_with += visit.found
            seen[part.part] = rows
            if whole is None:
                yield part
            else:
                standing.add(work.name, whole.part)

    def _check(self) -> None:
        if self.stopping():
            raise StoppedError("stopped")

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._check()
            time.sleep(min(0.2, seconds))


def _chosen(stages: Sequence[PlannedStage], only: str | None) -> list[str]:
    """The names of the stages to rate; ConfigurationError where there is none."""
    names = [planned.name for planned in stages if halves(planned)[0].sliced]
    if only is not None and only not in names:
        hint = nearest(only, names) if names else ""
        raise ConfigurationError(f"--stage: no rater stage '{only}'{hint}")
    if not names:
        raise ConfigurationError("stages: there is none that is rated in slices")
    return names if only is None else [only]


def _last(stages: Sequence[PlannedStage], names: Sequence[str]) -> str:
    """Of some stages the one that comes last."""
    order = [planned.name for planned in stages]
    return max((name.removesuffix(MAP_HALF) for name in names), key=order.index)
