"""A sweep: every map stage that is ready, over one documents part, in one read of its text."""

import faulthandler
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.beside import Address, InForce
from pipeline.io.digests import canonical_json
from pipeline.io.parts import Footer, PartReader, PartWriter, find_footer
from pipeline.io.store import Store, open_store
from pipeline.io.workspace import ColumnsPart, DocumentsPart, columns_path, part_key
from pipeline.select.expressions import Expression, compile_predicate
from pipeline.stages.base import MapStage
from pipeline.stages.isolated import IsolatedStage, cause
from pipeline.stages.losses import Losses
from pipeline.stages.pieces import time_limit
from pipeline.stages.rows import admitted, complete, empty, settle
from schemas.errors import WinnowError


@dataclass(frozen=True)
class MapWork:
    """A map stage as a task needs it; addresses are by the names that the stage or `where` uses."""

    name: str
    stage: MapStage
    fingerprint: str
    reads: Mapping[str, Address]
    where: str | None = None
    where_reads: Mapping[str, Address] = field(default_factory=dict)
    where_fields: Mapping[str, pa.Field] = field(default_factory=dict)
    copy_of: Address | None = None
    """The column that names the row whose values a row takes, null where it is measured itself."""

    @property
    def beside(self) -> tuple[Address, ...]:
        """What decides which rows are measured, and no value."""
        return (*self.where_reads.values(), *((self.copy_of,) if self.copy_of else ()))

    @property
    def status(self) -> str:
        """The name of the status column on disk."""
        return f"{self.stage.kind}_status"

    def predicate(self) -> Expression | None:
        """`where`, compiled; None where there is none."""
        return compile_predicate(self.where, self.where_fields) if self.where else None

    def schema(self) -> pa.Schema:
        """The columns on disk."""
        return self.stage.schema().append(pa.field(self.status, pa.string()))


@dataclass(frozen=True)
class SweepTask:
    """One documents part and the stages to measure on it, in order."""

    workspace: str
    part: DocumentsPart
    stages: tuple[MapWork, ...]
    in_force: Mapping[str, InForce]
    earlier: Mapping[str, tuple[str, ...]]
    """Keys, by stage, of parts with the same fingerprint, whose values may still hold."""


@dataclass(frozen=True)
class Measured:
    """What one stage made of one part; `computed` rows were measured now, `kept` ones before."""

    stage: str
    part: ColumnsPart
    computed: int
    kept: int
    made: bool
    doubled: int = 0
    """Rows that were measured although another process had measured them by then."""


def expected_key(work: MapWork, part: DocumentsPart, digests: Mapping[str, str]) -> str | None:
    """The key of the stage's column part, or None while a digest that it needs is unknown."""
    needed = {a.stage for a in (*work.reads.values(), *work.beside) if a.stage}
    if not needed <= digests.keys():
        return None
    values = value_key(work, part, digests) or ""
    named = (f"{work.copy_of.stage}.{work.copy_of.column}",) if work.copy_of else ()
    return part_key(values, work.where or "", *_of(work.beside, digests), *named)


def value_key(work: MapWork, part: DocumentsPart, digests: Mapping[str, str]) -> str | None:
    """The identity of the values, whatever `where` admits; None while a digest is unknown."""
    needed = {a.stage for a in work.reads.values() if a.stage}
    if not needed <= digests.keys():
        return None
    return part_key(work.fingerprint, part.ids, part.digest, *_of(work.reads.values(), digests))


def _of(reads: Iterable[Address], digests: Mapping[str, str]) -> list[str]:
    return [digests[stage] for stage in sorted({a.stage for a in reads if a.stage})]


def sweep(task: SweepTask, attempt: int = 0) -> list[Measured]:
    """Measure every stage of the task; from the second attempt on in processes of their own."""
    store = open_store(task.workspace)
    in_force = dict(task.in_force)
    done: list[Measured] = []
    pending: list[MapWork] = []
    for work in task.stages:
        digests = {name: found.digest for name, found in in_force.items()}
        key = expected_key(work, task.part, digests)
        column = find_columns(store, work, task.part, key) if key else None
        if column is None:
            in_force.pop(work.name, None)
            pending.append(work)
            continue
        in_force[work.name] = InForce(work.fingerprint, column.key, column.digest)
        done.append(Measured(work.name, column, 0, 0, False))
    if pending:
        with ExitStack() as stack:
            done += _Sweep(store, task, pending, in_force, attempt, stack).run()
    return done


def find_columns(store: Store, work: MapWork, part: DocumentsPart, key: str) -> ColumnsPart | None:
    """The stage's column part of this key as it lies in the store, or None where it does not."""
    footer = find_footer(store, columns_path(work.name, work.fingerprint, part.part, key))
    return None if footer is None else columns_part(part, key, footer)


def columns_part(part: DocumentsPart, key: str, footer: Footer) -> ColumnsPart:
    """A column part as an index has it."""
    told = canonical_json(footer.statistics)
    return ColumnsPart(part.part, key, footer.rows, footer.bytes, footer.digest, told)


class _Sweep:
    """The state of one pass over a part."""

    def __init__(
        self,
        store: Store,
        task: SweepTask,
        pending: list[MapWork],
        in_force: dict[str, InForce],
        attempt: int,
        stack: ExitStack,
    ) -> None:
        self._store, self._task, self._stack = store, task, stack
        self._in_force = in_force
        self._documents = stack.enter_context(PartReader(store, task.part.path, task.part.ids))
        self._columns: dict[str, PartReader] = {}
        self._stages = [_Stage(self, work, attempt) for work in pending]
        self._fresh: dict[str, pa.RecordBatch] = {}
        self._group = 0

    def open(self, stage: str, fingerprint: str, key: str) -> PartReader:
        """A reader beside the documents, closed with the sweep."""
        path = columns_path(stage, fingerprint, self._task.part.part, key)
        return self._stack.enter_context(PartReader(self._store, path, self._task.part.ids))

    def writer(self, work: MapWork) -> PartWriter:
        """The writer of a stage's part; it gets its name when it is committed."""
        return self._stack.enter_context(PartWriter(self._store, "", work.schema()))

    def reusable(self, work: MapWork) -> list[PartReader]:
        """Earlier parts of the stage whose values still hold."""
        digests = {name: found.digest for name, found in self._in_force.items()}
        wanted = value_key(work, self._task.part, digests)
        found = []
        for key in self._task.earlier.get(work.name, ()) if wanted else ():
            path = columns_path(work.name, work.fingerprint, self._task.part.part, key)
            footer = find_footer(self._store, path)
            if footer and footer.statistics.get("values") == wanted:
                found.append(self.open(work.name, work.fingerprint, key))
        return found

    def read(self, addresses: Mapping[str, Address]) -> pa.RecordBatch:
        """The current row group's columns, under the names that the caller uses."""
        sources: dict[str | None, list[str]] = {}
        for address in addresses.values():
            names = sources.setdefault(address.stage, [])
            if address.column not in names:
                names.append(address.column)
        batches = {stage: self._read_from(stage, names) for stage, names in sources.items()}
        arrays = [batches[a.stage].column(a.column) for a in addresses.values()]
        if not arrays:
            rows = self._documents.group_rows(self._group)
            return pa.RecordBatch.from_arrays([pa.nulls(rows)], ["_"])
        return pa.RecordBatch.from_arrays(arrays, list(addresses))

    def _read_from(self, stage: str | None, names: list[str]) -> pa.RecordBatch:
        if stage is None:
            return self._documents.read(self._group, names)
        if stage in self._fresh:
            return self._fresh[stage].select(names)
        if stage not in self._columns:
            found = self._in_force[stage]
            self._columns[stage] = self.open(stage, found.fingerprint, found.key)
        return self._columns[stage].read(self._group, names)

    def run(self) -> Iterator[Measured]:
        for group in range(self._documents.groups):
            self._group = group
            self._fresh = {}
            ids = self._documents.read(self._group, ["id"]).column(0)
            for stage in self._stages:
                batch = stage.measure(group, len(ids))
                stage.writer.write(batch, ids)
                self._fresh[stage.work.name] = batch
        for stage in self._stages:
            digests = {name: found.digest for name, found in self._in_force.items()}
            key = expected_key(stage.work, self._task.part, digests)
            assert key is not None
            values = value_key(stage.work, self._task.part, digests)
            part = self._task.part.part
            stage.writer.path = columns_path(stage.work.name, stage.work.fingerprint, part, key)
            told = part_statistics(stage.statuses, values, stage.remarks)
            footer, made = stage.writer.commit(told, "map.part")
            self._in_force[stage.work.name] = InForce(stage.work.fingerprint, key, footer.digest)
            column = columns_part(self._task.part, key, footer)
            yield Measured(stage.work.name, column, stage.computed, stage.kept, made)


def part_statistics(
    statuses: Counter[str], values: str | None, remarks: Counter[str]
) -> dict[str, object]:
    """What a column part's footer counts."""
    told: dict[str, object] = {"status": dict(statuses), "values": values}
    return {**told, "remarks": dict(remarks)} if remarks else told


class _Stage:
    """One pending stage of a sweep."""

    def __init__(self, sweep_: _Sweep, work: MapWork, attempt: int) -> None:
        self.work = work
        self.writer = sweep_.writer(work)
        self.statuses: Counter[str] = Counter()
        self.remarks: Counter[str] = Counter()
        self.computed = self.kept = 0
        self._sweep = sweep_
        self._earlier = sweep_.reusable(work)
        self._isolated = sweep_._stack.enter_context(IsolatedStage(work.stage)) if attempt else None
        self._where = work.predicate()
        self._losses = Losses(work.name, sweep_._task.part)

    def measure(self, group: int, rows: int) -> pa.RecordBatch:
        """The stage's columns and status for a row group: kept, computed or skipped, row by row."""
        schema = self.work.schema()
        earlier = (reader.read(group, schema.names) for reader in self._earlier)
        known = settle(schema, self._admitted(rows), self._copies(), earlier)
        self.kept += known.kept
        self.computed += len(known.missing)
        measured = self._compute(known.missing) if len(known.missing) else empty(schema)
        batch = known.completed(measured, rows)
        self.statuses.update(batch.column(self.work.status).to_pylist())
        self.remarks.update(self.work.stage.remarks(batch))
        return batch

    def _admitted(self, rows: int) -> pa.Array:
        return admitted(self._where, lambda: self._sweep.read(self.work.where_reads), rows)

    def _copies(self) -> pa.Array | None:
        if self.work.copy_of is None:
            return None
        return pc.is_valid(self._sweep.read({"": self.work.copy_of}).column(0))

    def _compute(self, indices: pa.Array) -> pa.RecordBatch:
        batch = self._sweep.read(self.work.reads)
        if len(indices) < len(batch):
            batch = batch.take(indices)
        lost: dict[int, str] = {}
        if self._isolated is not None:
            result, lost = self._isolated.apply(batch, self._losses.add)
        else:
            faulthandler.dump_traceback_later(time_limit(self.work.stage, batch), exit=True)
            try:
                result = self.work.stage.apply(batch)
            except Exception as error:
                # What Spark logs of a task may not quote a document.
                raise WinnowError(f"stage {self.work.name}: {cause(error)}") from None
            finally:
                faulthandler.cancel_dump_traceback_later()
        return complete(self.work.name, self.work.schema(), result, lost, len(batch))
