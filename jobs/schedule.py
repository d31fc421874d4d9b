"""How a run divides into tasks for a scheduler: what is done at once, and after what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.plan import INGEST, stage_kind
from pipeline.spark.halves import PlannedStage, halves
from pipeline.stages.base import MapStage


@dataclass(frozen=True)
class ScheduledTask:
    """One task: `kind` is ingest, sweep, relational, rater or mixture."""

    name: str
    kind: str
    steps: tuple[str, ...]
    """Stages, or halves of them, that are measured in one reading of the text; or a mixture."""
    after: tuple[str, ...]
    """The tasks whose work it needs."""


@dataclass(frozen=True)
class _Unit:
    """What one task has to do by itself, or a sweep with others."""

    name: str
    kind: str
    needs: frozenset[str]


def _units(planned: PlannedStage) -> list[_Unit]:
    """A map stage, with what gives copies their values; a relational one after its map half."""
    found = halves(planned)
    if isinstance(planned.stage, MapStage):
        own = {half.name for half in found}
        needs = {need for half in found for need in half.needs}
        return [_Unit(planned.name, stage_kind(planned.stage), frozenset(needs - own))]
    return [_Unit(half.name, stage_kind(half.stage), frozenset(half.needs)) for half in found]


def schedule(stages: Sequence[PlannedStage], mixtures: Sequence[str]) -> list[ScheduledTask]:
    """One task for ingest and for each sweep, relational stage, rater and mixture, in order."""
    tasks = [ScheduledTask(INGEST, INGEST, (INGEST,), ())]
    pending = [unit for planned in stages for unit in _units(planned)]
    owner: dict[str, str] = {}
    sweeps = 0
    while pending:
        kind, ready = _next(pending, set(owner))
        sweeps += kind == "sweep"
        name = f"measure-{sweeps}" if kind == "sweep" else ready[0].name
        needs = {owner[need] for unit in ready for need in unit.needs if need in owner}
        earlier = tuple(task.name for task in tasks if task.name in needs)
        names = tuple(unit.name for unit in ready)
        tasks.append(ScheduledTask(name, kind, names, earlier or (INGEST,)))
        owner.update(dict.fromkeys(names, name))
        pending = [unit for unit in pending if unit not in ready]
    last = tuple(task.name for task in tasks)[1:] or (INGEST,)
    return tasks + [ScheduledTask(f"mixture-{m}", "mixture", (m,), last) for m in mixtures]


def _next(pending: Sequence[_Unit], known: set[str]) -> tuple[str, list[_Unit]]:
    """Every map stage that can go in the next sweep; or else the next stage by itself."""
    known = set(known)
    found = []
    for unit in pending:
        if unit.kind == "map" and unit.needs <= known:
            found.append(unit)
            known.add(unit.name)
    if found:
        return "sweep", found
    first = next(unit for unit in pending if unit.needs <= known)
    return first.kind, [first]


def scheduled_steps(
    steps: Iterable[Mapping[str, Any]], tasks: Sequence[ScheduledTask]
) -> list[dict[str, Any]]:
    """The steps of an outlook, each with its kind, its task, and the tasks that go before."""
    told = {step["step"]: step for step in steps}
    return [
        {
            **({"step": step} if task.kind == "mixture" else told.get(step, {"step": step})),
            "kind": task.kind,
            "task": task.name,
            "after": list(task.after),
        }
        for task in tasks
        for step in task.steps
    ]
