"""Which column parts of the configured stages hold, found in the indexes alone."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pipeline.io.beside import Address, InForce
from pipeline.io.digests import combined
from pipeline.io.workspace import ColumnsPart, DocumentsPart, Workspace, part_key
from pipeline.spark.halves import PlannedStage, StageHalf, halves
from pipeline.stages.base import MapStage, Stage
from pipeline.stages.sweep import MapWork, SweepTask, expected_key


class Standing:
    """The parts that hold, by stage; `look` and `add` fill it, each stage after those it reads."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.parts = workspace.documents()
        self.found: dict[str, dict[str, ColumnsPart]] = {}
        self._prints: dict[str, str] = {}
        self._earlier: dict[str, dict[str, list[ColumnsPart]]] = {}

    def look(self, half: StageHalf) -> list[DocumentsPart]:
        """Find the parts that hold; those that are missing."""
        self._prints[half.name] = half.fingerprint
        earlier = self.workspace.earlier_parts(half.name, half.fingerprint)
        self._earlier[half.name] = earlier
        found = self.found[half.name] = {}
        key_of = self._keys(half)
        for part in self.parts:
            key = key_of(part)
            for known in earlier.get(part.part, ()):
                if known.key == key:
                    found[part.part] = known
        return [part for part in self.parts if part.part not in found]

    def _keys(self, half: StageHalf) -> Callable[[DocumentsPart], str | None]:
        """What the key of a part is to be; None while it can't be known."""
        if isinstance(half.stage, MapStage):
            work = half.work()
            return lambda part: expected_key(work, part, self._digests(part))
        if not self.complete(half.needs):
            return lambda part: None
        key = self.relational_key(half)
        return lambda part: key

    def relational_key(self, half: StageHalf) -> str:
        """The key of all parts of a relational stage."""
        reads_text = Address(None, "text") in half.reads.values()
        inputs = combined(
            [half.where or "", *(p.digest if reads_text else p.ids for p in self.parts)]
            + [self.found[n][p.part].digest for n in sorted(half.needs) for p in self.parts]
        )
        return part_key(half.fingerprint, inputs)

    def complete(self, stages: set[str]) -> bool:
        """Whether every part of these stages holds."""
        return all(len(self.found.get(name, ())) == len(self.parts) for name in stages)

    def add(self, stage: str, part: ColumnsPart) -> None:
        """A part that was made."""
        self.found[stage][part.part] = part

    def beside(self, part: DocumentsPart) -> dict[str, InForce]:
        """The column parts that hold beside a documents part."""
        return {
            name: InForce(self._prints[name], found.key, found.digest)
            for name, parts in self.found.items()
            if (found := parts.get(part.part))
        }

    def _digests(self, part: DocumentsPart) -> dict[str, str]:
        return {name: beside.digest for name, beside in self.beside(part).items()}

    def task(self, part: DocumentsPart, works: Sequence[MapWork]) -> SweepTask:
        """The work of measuring these stages on a part."""
        keys = {
            work.name: tuple(p.key for p in self._earlier[work.name].get(part.part, ()))
            for work in works
        }
        root = self.workspace.store.root
        return SweepTask(root, part, tuple(works), self.beside(part), keys)

    def commit(self, half: StageHalf) -> dict[str, int]:
        """Put a complete stage in force, unless it is; then account for every document."""
        parts = self.found[half.name]
        totals = account(half.stage, [parts[part.part] for part in self.parts])
        record = {
            "stage": half.name,
            "kind": half.kind,
            "fingerprint": half.fingerprint,
            "inputs": combined(part.ids for part in self.parts),
            "where": half.where,
            "columns": half.stage.schema().names,
            "totals": totals,
        }
        keys = {name: part.key for name, part in parts.items()}
        now = self.workspace.stage(half.name)
        same = now is not None and {n: p.key for n, p in now.parts.items()} == keys
        if not same or now is None or now.fingerprint != half.fingerprint:
            point = "map" if isinstance(half.stage, MapStage) else "relational"
            self.workspace.commit_stage(record, parts.values(), point)
        return totals


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


@dataclass(frozen=True)
class StageState:
    """Where a configured stage stands."""

    name: str
    halves: tuple[StageHalf, ...]
    todo: tuple[tuple[DocumentsPart, ...], ...]
    """By half: the parts that it lacks."""
    reason: str
    """`in force`, or why a run has something to do."""

    @property
    def parts(self) -> list[DocumentsPart]:
        """The parts that lack any half."""
        missing = {part.part: part for parts in self.todo for part in parts}
        return [missing[name] for name in sorted(missing)]


def stage_states(standing: Standing, stages: Sequence[PlannedStage]) -> list[StageState]:
    """Where each stage stands, in order: the one place that decides what is stale."""
    found = []
    for planned in stages:
        both = tuple(halves(planned))
        todo = tuple(tuple(standing.look(half)) for half in both)
        reason = next(filter(None, (_reason(standing, half) for half in both)), "in force")
        found.append(StageState(planned.name, both, todo, reason))
    return found


def _reason(standing: Standing, half: StageHalf) -> str | None:
    """In a few words, why what is in force is not what the configuration says; None if it is."""
    record = standing.workspace.stage(half.name)
    if record is None:
        return "to do"
    if record.fingerprint != half.fingerprint:
        return "stale: the stage has changed"
    if new := sum(part.part not in record.parts for part in standing.parts):
        return f"stale: {new} new parts"
    if record.where != half.where:
        return "stale: `where` has changed"
    found = standing.found[half.name]
    if all(found.get(p.part) == record.parts[p.part] for p in standing.parts):
        return None
    return "stale: what it reads has changed"
