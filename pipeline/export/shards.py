"""Shards of a mixture: immutable Parquet files with a digest in their names."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.io.faults import fault
from pipeline.io.parts import GROUP_BYTES, GROUP_ROWS
from pipeline.io.store import Store

FIXED = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("copy", pa.int32(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("source_id", pa.string()),
        pa.field("n_bytes", pa.int64(), nullable=False),
        pa.field("n_tokens", pa.int64()),
    ]
)
"""The columns that every shard begins with."""


def mixture_schema(more: Mapping[str, pa.DataType]) -> pa.Schema:
    """The schema of a mixture's shards: the fixed columns, then others by name."""
    others = [pa.field(name, kind) for name, kind in more.items() if name not in FIXED.names]
    return pa.schema([*FIXED, *others])


@dataclass(frozen=True)
class Shard:
    """A shard as the manifest has it; `path` is relative to the mixture's folder."""

    path: str
    rows: int
    tokens: int
    bytes: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)


class ShardWriter:
    """Writes rows that come in their final order; the row groups depend on the rows alone."""

    def __init__(self, store: Store, folder: str, number: int, schema: pa.Schema) -> None:
        self._store, self._folder, self._number = store, folder, number
        self._local = store.scratch()
        self._writer = pq.ParquetWriter(self._local, schema, compression="zstd")
        self._schema = schema
        self._pending: list[pa.RecordBatch] = []
        self._rows = self._tokens = self._held = self._held_rows = 0

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind unless `commit` was called."""
        self._writer.close()
        self._local.unlink(missing_ok=True)

    def write(self, batch: pa.RecordBatch) -> None:
        """Take in more rows."""
        sizes = batch.column("n_bytes").to_numpy()
        start = 0
        for row, size in enumerate(sizes):
            self._held += int(size)
            self._held_rows += 1
            if self._held >= GROUP_BYTES or self._held_rows >= GROUP_ROWS:
                self._pending.append(batch.slice(start, row + 1 - start))
                start = row + 1
                self._flush()
        if start < len(batch):
            self._pending.append(batch.slice(start))
        self._rows += len(batch)
        self._tokens += int(batch.column("n_tokens").fill_null(0).to_numpy().sum())

    def _flush(self) -> None:
        if self._pending:
            table = pa.Table.from_batches(self._pending, self._schema).combine_chunks()
            self._writer.write_table(table, row_group_size=len(table))
        self._pending, self._held, self._held_rows = [], 0, 0

    def commit(self) -> Shard:
        """Create the shard under the name that its content gives it."""
        self._flush()
        self._writer.close()
        with self._local.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = self._local.stat().st_size
        name = f"shard-{self._number:05d}-{digest[:12]}.parquet"
        fault("write.shard.before")
        self._store.create(f"{self._folder}/{name}", self._local)
        fault("write.shard.after")
        return Shard(name, self._rows, self._tokens, size, digest)


def cut_shards(histogram: npt.NDArray[np.int64], target: int) -> list[int]:
    """Boundaries that cut the range of a 64-bit hash into shards of about `target` bytes.

    `histogram` has the bytes for each value of the hash's top 16 bits; a boundary is the first
    hash of the next shard.
    """
    total = int(histogram.sum())
    count = max(1, -(-total // target))
    sums = np.cumsum(histogram)
    marks = [total * number // count for number in range(1, count)]
    places = [int(np.searchsorted(sums, mark, side="left")) + 1 for mark in marks]
    return sorted({place << 48 for place in places if place < 1 << 16})


def shard_of(order: npt.NDArray[np.uint64], boundaries: Sequence[int]) -> npt.NDArray[np.int64]:
    """The shard of each hash."""
    marks = np.array(boundaries, np.uint64)
    return np.asarray(np.searchsorted(marks, order, side="right"), np.int64)
