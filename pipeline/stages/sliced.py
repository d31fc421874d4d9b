"""A stage over one part, slice by slice, beside any number of others who do the same."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.beside import Address, BesideReader
from pipeline.io.digests import LogicalDigest
from pipeline.io.parts import PartReader, PartWriter, find_footer
from pipeline.io.store import open_store
from pipeline.io.workspace import columns_path
from pipeline.select.expressions import Expression
from pipeline.stages.isolated import IsolatedStage
from pipeline.stages.losses import LOST, Losses
from pipeline.stages.rows import Settled, admitted, complete, empty, settle
from pipeline.stages.slices import Slice, Span, cut_slices, parse_name, slices_folder, spans
from pipeline.stages.sweep import (
    Measured,
    SweepTask,
    columns_part,
    expected_key,
    find_columns,
    part_statistics,
    value_key,
)

_IDS = {"id": Address(None, "id")}
_SIZES = {"n_bytes": Address(None, "n_bytes")}


@dataclass(frozen=True)
class MeasuredSlice:
    """What became of a slice; not `made` where another process has made it meanwhile."""

    rows: int
    computed: int
    kept: int
    tokens: int
    made: bool


class SlicedPart:
    """The slices of a part, under one stage; the rows that it reads must all be there."""

    def __init__(self, task: SweepTask) -> None:
        (self.work,) = task.stages
        self.part = task.part
        self._task, self._store = task, open_store(task.workspace)
        self._digests = {name: found.digest for name, found in task.in_force.items()}
        key = expected_key(self.work, self.part, self._digests)
        assert key is not None, f"{self.work.name}: a stage that it reads is not in force"
        self.key = key
        self._values = value_key(self.work, self.part, self._digests)
        self.root = slices_folder(self.work.name, self.work.fingerprint, self.part.part)
        self._stack = ExitStack()
        self._lost: dict[str, Counter[str]] = {}

    def __enter__(self) -> "SlicedPart":
        return self

    def __exit__(self, *_: object) -> None:
        """Close every file."""
        self._stack.close()

    def path(self, piece: Slice) -> str:
        """Where a slice lies."""
        return f"{self.root}/{self.key}/{piece.name}"

    def find(self) -> Measured | None:
        """The whole part, if somebody has put it together."""
        column = find_columns(self._store, self.work, self.part, self.key)
        return Measured(self.work.name, column, 0, 0, False) if column else None

    @cached_property
    def _reader(self) -> BesideReader:
        reader = BesideReader(self._task.workspace, self.part, self._task.in_force)
        return self._stack.enter_context(reader)

    @cached_property
    def _groups(self) -> list[int]:
        return [self._reader.rows(group) for group in range(self._reader.groups)]

    @cached_property
    def slices(self) -> list[Slice]:
        """The cut of the part: a matter of what is to be measured, and of nothing else."""
        limit = self.work.stage.rows_per_slice()
        assert limit is not None
        wanted, sizes = [np.zeros(0, bool)], [np.zeros(0, np.int64)]
        for group, rows in enumerate(self._groups):
            span = Span(group, 0, rows)
            admitted, copies = self._admitted(span), self._copies(span)
            chosen = admitted if copies is None else pc.and_not(admitted, copies)
            wanted.append(chosen.to_numpy(zero_copy_only=False))
            sizes.append(self._reader.read(group, _SIZES).column(0).to_numpy())
        return cut_slices(np.concatenate(wanted), np.concatenate(sizes), limit)

    @cached_property
    def _where(self) -> Expression | None:
        return self.work.predicate()

    def _admitted(self, span: Span) -> pa.Array:
        def read() -> pa.RecordBatch:
            batch = self._reader.read(span.group, self.work.where_reads)
            return batch.slice(span.start, span.rows)

        return admitted(self._where, read, span.rows)

    def _settled(self, span: Span) -> Settled:
        earlier = (source(span) for source in self._earlier)
        schema = self.work.schema()
        return settle(schema, self._admitted(span), self._copies(span), earlier)

    def _copies(self, span: Span) -> pa.Array | None:
        if self.work.copy_of is None:
            return None
        named = self._reader.read(span.group, {"": self.work.copy_of}).column(0)
        return pc.is_valid(named.slice(span.start, span.rows))

    def _ids(self, span: Span) -> pa.Array:
        return self._reader.read(span.group, _IDS).column(0).slice(span.start, span.rows)

    def missing(self) -> Iterator[tuple[Span, pa.Array]]:
        """The rows that are still to be measured, as numbers within spans of the part."""
        if self.find() is not None:
            return
        there = {entry.path for entry in self._store.list(f"{self.root}/{self.key}")}
        for piece in self.slices:
            for span in spans(self._groups, piece.start, piece.end):
                if self.path(piece) not in there:
                    yield span, self._settled(span).missing

    def read(self, span: Span, rows: pa.Array, addresses: Mapping[str, Address]) -> pa.RecordBatch:
        """Columns of chosen rows of a span."""
        batch = self._reader.read(span.group, addresses)
        return batch.slice(span.start, span.rows).take(rows)

    def measure(self, piece: Slice, isolated: IsolatedStage) -> MeasuredSlice:
        """Measure what is not known of a slice's rows, and commit the slice."""
        schema = self.work.schema()
        parts = list(spans(self._groups, piece.start, piece.end))
        known = [self._settled(span) for span in parts]
        missing = [
            self.read(span, settled.missing, self.work.reads)
            for span, settled in zip(parts, known, strict=True)
        ]
        batch = pa.concat_batches(missing)
        measured = empty(schema)
        if len(batch):
            losses = Losses(self.work.name, self.part, self._lost_before)
            result, lost = isolated.apply(batch, losses.add)
            measured = complete(self.work.name, schema, result, lost, len(batch))
        statuses: Counter[str] = Counter()
        with PartWriter(self._store, self.path(piece), schema) as writer:
            done = 0
            for span, settled in zip(parts, known, strict=True):
                some = measured.slice(done, len(settled.missing))
                done += len(some)
                rows = settled.completed(some, span.rows)
                statuses.update(rows.column(self.work.status).to_pylist())
                writer.write(rows, self._ids(span))
            told = part_statistics(statuses, self._values, Counter())
            _, made = writer.commit(told, "slice.part")
        kept = sum(settled.kept for settled in known)
        rows_read = piece.end - piece.start
        return MeasuredSlice(rows_read, len(batch), kept, self._tokens(measured), made)

    def _lost_before(self) -> Counter[str]:
        """The rows that the slices which are there have lost, by status, whoever made them."""
        for piece in self.slices:
            path = self.path(piece)
            if path not in self._lost and (footer := find_footer(self._store, path)) is not None:
                told = cast("dict[str, int]", footer.statistics["status"])
                self._lost[path] = Counter({name: told.get(name, 0) for name in LOST})
        return sum(self._lost.values(), Counter())

    def _tokens(self, measured: pa.RecordBatch) -> int:
        name = self.work.stage.tokens_column
        return 0 if name is None else pc.sum(measured.column(name)).as_py() or 0

    @cached_property
    def _earlier(self) -> "list[Callable[[Span], pa.RecordBatch]]":
        """What holds values of the part's rows that still hold: parts, and slices never joined."""
        store, work = self._store, self.work
        found: list[Callable[[Span], pa.RecordBatch]] = []
        for key in self._task.earlier.get(work.name, ()):
            path = columns_path(work.name, work.fingerprint, self.part.part, key)
            if self._holds(path):
                reader = self._stack.enter_context(PartReader(store, path, self.part.ids))
                found.append(_from_part(reader, work.schema().names))
        left: dict[str, dict[int, PartReader]] = {}
        cut = {self.path(piece) for piece in self.slices}
        for entry in store.list(self.root):
            rows = parse_name(entry.path.rpartition("/")[2])
            if rows and entry.path not in cut and self._holds(entry.path):
                start, end = rows
                ids = self._digest(start, end)
                reader = self._stack.enter_context(PartReader(store, entry.path, ids))
                left.setdefault(entry.path.rpartition("/")[0], {})[start] = reader
        return found + [self._from_slices(readers) for readers in left.values()]

    def _holds(self, path: str) -> bool:
        footer = find_footer(self._store, path)
        return footer is not None and footer.statistics.get("values") == self._values

    def _from_slices(self, readers: "dict[int, PartReader]") -> "Callable[[Span], pa.RecordBatch]":
        """Rows of a span as slices of another cut have them; `skipped` where they have none."""
        schema = self.work.schema()
        firsts = np.cumsum([0, *self._groups])

        def read(span: Span) -> pa.RecordBatch:
            first = int(firsts[span.group]) + span.start
            nulls = [pa.nulls(span.rows, field.type) for field in list(schema)[:-1]]
            skipped = pa.array(["skipped"] * span.rows, pa.string())
            rows = pa.RecordBatch.from_arrays([*nulls, skipped], schema=schema)
            for start, reader in readers.items():
                left, right = max(first, start), min(first + span.rows, start + reader.rows)
                if left < right:
                    found = _read_rows(reader, left - start, right - start, schema)
                    before = rows.slice(0, left - first)
                    rows = pa.concat_batches([before, found, rows.slice(right - first)])
            return rows

        return read

    def _digest(self, start: int, end: int) -> str:
        digest = LogicalDigest(pa.schema([pa.field("id", pa.string())]))
        for span in spans(self._groups, start, end):
            digest.update(pa.record_batch([self._ids(span).cast(pa.string())], ["id"]))
        return digest.hexdigest()

    def assemble(self) -> Measured:
        """Put the part together once all slices are there: the same bytes whoever does it."""
        schema, statuses, remarks = self.work.schema(), Counter[str](), Counter[str]()
        path = columns_path(self.work.name, self.work.fingerprint, self.part.part, self.key)
        pieces = self._pieces()
        with PartWriter(self._store, path, schema) as writer:
            for group, rows in enumerate(self._groups):
                found, held = [empty(schema)], 0
                while held < rows:
                    found.append(next(pieces))
                    held += len(found[-1])
                batch = pa.concat_batches(found)
                statuses.update(batch.column(self.work.status).to_pylist())
                remarks.update(self.work.stage.remarks(batch))
                writer.write(batch, self._ids(Span(group, 0, rows)))
            told = part_statistics(statuses, self._values, remarks)
            footer, made = writer.commit(told, "slice.assembly")
        column = columns_part(self.part, self.key, footer)
        return Measured(self.work.name, column, 0, 0, made)

    def _pieces(self) -> Iterator[pa.RecordBatch]:
        """The rows of all slices, none of which holds rows of two row groups at once."""
        names = self.work.schema().names
        for piece in self.slices:
            ids = self._digest(piece.start, piece.end)
            with PartReader(self._store, self.path(piece), ids) as reader:
                for group in range(reader.groups):
                    yield reader.read(group, names).cast(self.work.schema())


def _from_part(reader: PartReader, names: list[str]) -> "Callable[[Span], pa.RecordBatch]":
    return lambda span: reader.read(span.group, names).slice(span.start, span.rows)


def _read_rows(reader: PartReader, start: int, end: int, schema: pa.Schema) -> pa.RecordBatch:
    groups = [reader.group_rows(group) for group in range(reader.groups)]
    found = [
        reader.read(span.group, schema.names).slice(span.start, span.rows)
        for span in spans(groups, start, end)
    ]
    return pa.concat_batches(found).cast(schema)
