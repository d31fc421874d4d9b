"""Parquet parts: written row group by row group, read in step with the documents they belong to."""

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.io.digests import LogicalDigest
from pipeline.io.faults import fault
from pipeline.io.store import Store, check_shared
from schemas.errors import WinnowError
from schemas.tables import SEGMENTS

GROUP_BYTES = 8 << 20
"""A documents part begins a new row group once its text holds this many bytes."""

GROUP_ROWS = 20_000
"""... or this many rows: the cut depends on the content alone."""

_LACKING = {field.name: field.type for field in SEGMENTS}

_IDS, _DIGEST, _STATISTICS = b"winnow.ids", b"winnow.digest", b"winnow.statistics"


@dataclass(frozen=True, slots=True)
class Footer:
    """What a part says of itself: rows, digest of the ids, digest of the values, statistics."""

    rows: int
    bytes: int
    ids: str
    digest: str
    statistics: dict[str, object]


class PartWriter:
    """Writes one part aside and creates it in the store when it is complete."""

    def __init__(self, store: Store, path: str, schema: pa.Schema) -> None:
        self.path = path
        self._store = store
        self._digest = LogicalDigest(schema)
        self._ids = LogicalDigest(pa.schema([pa.field("id", pa.string())]))
        self._rows = 0
        self._local = store.scratch()
        self._writer = pq.ParquetWriter(
            self._local, schema, compression="zstd", write_statistics=False, store_schema=True
        )

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave nothing behind unless `commit` was called."""
        try:
            self._writer.close()
        finally:
            self._local.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Errors of a full disk name the file."""
        try:
            yield
        except OSError as error:
            told = error.strerror or str(error)
            raise OSError(error.errno, told, str(self._local)) from error

    def write(self, batch: pa.RecordBatch, ids: pa.Array) -> None:
        """Write one row group; `ids` are the documents' ids of its rows."""
        with self._named():
            table = pa.Table.from_batches([batch])
            self._writer.write_table(table, row_group_size=max(1, len(batch)))
        self._digest.update(batch)
        self._ids.update(pa.record_batch([ids.cast(pa.string())], ["id"]))
        self._rows += batch.num_rows

    def commit(self, statistics: Mapping[str, object], point: str) -> tuple[Footer, bool]:
        """Create the part; says whether this writer made it or found it there."""
        ids, digest = self._ids.hexdigest(), self._digest.hexdigest()
        told = json.dumps(statistics, sort_keys=True)
        self._writer.add_key_value_metadata(
            {_IDS.decode(): ids, _DIGEST.decode(): digest, _STATISTICS.decode(): told}
        )
        with self._named():
            self._writer.close()
        size = self._local.stat().st_size
        fault(f"{point}.before")
        made = self._store.create(self.path, self._local)
        fault(f"{point}.after")
        return Footer(self._rows, size, ids, digest, dict(statistics)), made


def read_footer(store: Store, path: str) -> Footer:
    """The footer of a part; FileNotFoundError where there is no such part."""
    with store.open(path) as file:
        size = file.size()
        metadata = pq.read_metadata(file)
    told = metadata.metadata
    return Footer(
        metadata.num_rows,
        size,
        told[_IDS].decode(),
        told[_DIGEST].decode(),
        json.loads(told[_STATISTICS]),
    )


def find_footer(store: Store, path: str) -> Footer | None:
    """The footer of a part, or None where there is no such part."""
    try:
        return read_footer(store, path)
    except FileNotFoundError:
        return None


class PartReader:
    """A documents part, or a column part beside it, row group by row group."""

    def __init__(
        self, store: Store, path: str, ids: str | None = None, encoded: Collection[str] = ()
    ) -> None:
        """Refuse a part whose footer names other ids than `ids`.

        Strings of columns named in `encoded` are read as dictionaries: fast where few differ.
        """
        try:
            self._source = store.open(path)
            footer = pq.read_metadata(self._source)
            self.names = frozenset(footer.schema.to_arrow_schema().names)
            dictionaries = [name for name in encoded if name in self.names]
            self._file = pq.ParquetFile(
                self._source, metadata=footer, pre_buffer=False, read_dictionary=dictionaries
            )
        except FileNotFoundError as error:
            check_shared(store)
            raise WinnowError(
                f"{path} is gone from {store.root}: an index names it; restore it, or start anew"
            ) from error
        except pa.ArrowInvalid as error:
            raise WinnowError(f"{path} in {store.root} is damaged: {error}") from error
        found = self._file.schema_arrow.metadata or {}
        told = self._file.metadata.metadata or found
        if ids is not None and told.get(_IDS, b"").decode() != ids:
            raise WinnowError(
                f"{path} in {store.root} belongs to other documents than its index says"
            )
        self.groups = self._file.num_row_groups
        self.rows = self._file.metadata.num_rows

    def __enter__(self) -> "PartReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()
        self._source.close()

    def group_rows(self, group: int) -> int:
        """How many rows a row group has."""
        return int(self._file.metadata.row_group(group).num_rows)

    def read(self, group: int, columns: Sequence[str]) -> pa.RecordBatch:
        """One row group; a column that the part lacks is null, as a string where it is mapped."""
        present = [name for name in columns if name in self.names]
        table = self._file.read_row_group(group, present, use_threads=False)
        rows = self.group_rows(group)
        arrays = [
            _one(table.column(name), table.schema.field(name).type)
            if name in self.names
            else pa.nulls(rows, _LACKING.get(name, pa.string()))
            for name in columns
        ]
        return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def cast_column(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column of a part as its type says: where a part lacks it, it was read as string nulls."""
    if column.type == kind:
        return column
    return pa.nulls(len(column), kind) if column.null_count == len(column) else column.cast(kind)


def _one(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], kind)


class TableWriter:
    """Writes a table without documents beside it (an index, rejects) as one Parquet object."""

    def __init__(self, store: Store, path: str, schema: pa.Schema) -> None:
        self._store, self._path = store, path
        self._local = store.scratch()
        self._writer = pq.ParquetWriter(
            self._local, schema, compression="zstd", write_statistics=False
        )

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind unless `commit` was called."""
        self._writer.close()
        self._local.unlink(missing_ok=True)

    def write(self, table: pa.Table) -> None:
        """Take in more rows."""
        self._writer.write_table(table)

    def commit(self, point: str) -> bool:
        """Create the object; False where it is there already."""
        self._writer.close()
        fault(f"{point}.before")
        made = self._store.create(self._path, self._local)
        fault(f"{point}.after")
        return made


def write_table(store: Store, path: str, table: pa.Table, point: str) -> bool:
    """Create a small table as one Parquet object; False where it is there already."""
    with TableWriter(store, path, table.schema) as writer:
        writer.write(table)
        return writer.commit(point)


def read_table(store: Store, path: str) -> pa.Table:
    """The whole of a small table."""
    with store.open(path) as file:
        return pq.read_table(file, use_threads=False)


def batches(store: Store, path: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The row groups of a part, one at a time."""
    with PartReader(store, path) as reader:
        for group in range(reader.groups):
            yield reader.read(group, columns)
