"""How a run divides into tasks for a scheduler: what is done at once, and after what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.plan import INGEST, stage_kind
from pipeline.spark.halves import PlannedStage, StageHalf, halves


@dataclass(frozen=True)
class ScheduledTask:
    """One task: `kind` is ingest, sweep, relational, rater or mixture."""

    name: str
    kind: str
    steps: tuple[str, ...]
    """Stages, or halves of them, that are measured in one reading of the text; or a mixture."""
    after: tuple[str, ...]
    """The tasks whose work it needs."""


def schedule(stages: Sequence[PlannedStage], mixtures: Sequence[str]) -> list[ScheduledTask]:
    """One task for ingest and for each sweep, relational stage, rater and mixture, in order."""
    tasks = [ScheduledTask(INGEST, INGEST, (INGEST,), ())]
    pending = [half for planned in stages for half in halves(planned)]
    owner: dict[str, str] = {}
    sweeps = 0
    while pending:
        kind, ready = _next(pending, set(owner))
        sweeps += kind == "sweep"
        name = f"measure-{sweeps}" if kind == "sweep" else ready[0].name
        needs = {owner[need] for half in ready for need in half.needs if need in owner}
        earlier = tuple(task.name for task in tasks if task.name in needs)
        names = tuple(half.name for half in ready)
        tasks.append(ScheduledTask(name, kind, names, earlier or (INGEST,)))
        owner.update(dict.fromkeys(names, name))
        pending = [half for half in pending if half not in ready]
    last = tuple(task.name for task in tasks)[1:] or (INGEST,)
    return tasks + [ScheduledTask(f"mixture-{m}", "mixture", (m,), last) for m in mixtures]


def _next(pending: Sequence[StageHalf], known: set[str]) -> tuple[str, list[StageHalf]]:
    """Every map stage that can go in the next sweep; or else the next stage by itself."""
    known = set(known)
    found = []
    for half in pending:
        if stage_kind(half.stage) == "map" and half.needs <= known:
            found.append(half)
            known.add(half.name)
    if found:
        return "sweep", found
    first = next(half for half in pending if half.needs <= known)
    return stage_kind(first.stage), [first]


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
