"""Sharing the slices of parts: who takes which, and when a part is whole."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.io.leases import MARK, Leases, newest
from pipeline.io.store import Store, open_store
from pipeline.stages.isolated import IsolatedStage, resident
from pipeline.stages.sliced import MeasuredSlice, SlicedPart
from pipeline.stages.slices import Slice
from pipeline.stages.sweep import Measured, SweepTask


@dataclass
class Visit:
    """What a visit to a part has come to."""

    found: int = 0
    """Rows of slices that were there at its beginning."""
    measured: int = 0
    """Rows of slices measured since."""
    computed: int = 0
    kept: int = 0
    doubled: int = 0

    @property
    def done(self) -> int:
        """Rows that are there by now."""
        return self.found + self.measured


class Sharer:
    """Measures slices that nobody else has or is at, of one part after another."""

    def __init__(
        self,
        store: Store,
        isolated: IsolatedStage,
        told: Callable[[MeasuredSlice], None] = lambda done: None,
    ) -> None:
        self.leases = Leases(store)
        self._store, self._isolated, self._told = store, isolated, told

    def visit(self, part: SlicedPart, visit: Visit) -> Measured | None:
        """Measure what can be had of a part; the part, once it is whole."""
        if (found := part.find()) is not None:
            visit.found = part.part.rows - visit.measured
            return found
        there, leases = self._look(part)
        missing = [piece for piece in part.slices if part.path(piece) not in there]
        visit.found = sum(p.end - p.start for p in part.slices if part.path(p) in there)
        left = len(missing)
        for piece in missing:
            left -= self._try(part, piece, leases, visit)
        return part.assemble() if not left else None

    def _look(self, part: SlicedPart) -> tuple[set[str], dict[str, tuple[int, str]]]:
        """The slices that are there, and the leases on others."""
        entries = list(self._store.list(f"{part.root}/{part.key}"))
        there = {entry.path for entry in entries if MARK not in entry.path}
        return there, newest((entry.path, entry.stamp) for entry in entries)

    def _try(
        self, part: SlicedPart, piece: Slice, leases: dict[str, tuple[int, str]], visit: Visit
    ) -> bool:
        """Whether the slice is there by now."""
        path = part.path(piece)
        lease = self.leases.take(path, leases)
        if lease is None:
            return False
        with lease:
            if self._store.exists(path):
                return True
            done = part.measure(piece, self._isolated)
        visit.measured += done.rows
        visit.computed += done.computed
        visit.kept += done.kept
        visit.doubled += 0 if done.made else done.computed
        self._told(done)
        return True


def measure_shared(task: SweepTask, environment: dict[str, str]) -> list[Measured]:
    """Measure a part together with others, and wait for what they hold of it."""
    store = open_store(task.workspace)
    with SlicedPart(task) as part:
        sharer = Sharer(store, resident(part.work.stage, environment))
        visit = Visit()
        while (whole := sharer.visit(part, visit)) is None:
            time.sleep(sharer.leases.patience)
    done = Measured(whole.stage, whole.part, visit.computed, visit.kept, whole.made, visit.doubled)
    return [done]
