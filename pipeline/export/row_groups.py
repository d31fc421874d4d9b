"""Parquet files whose row groups depend on the rows alone, however they come in."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.io.parts import GROUP_BYTES, GROUP_ROWS
from pipeline.io.store import Store


class RowGroups:
    """Writes rows that come in their final order to a local Parquet file."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._pending: list[pa.RecordBatch] = []
        self._held = self._held_rows = 0

    def write(self, batch: pa.RecordBatch, sizes: npt.NDArray[np.int64]) -> None:
        """Take in more rows, of so many bytes each."""
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

    def _flush(self) -> None:
        if self._pending:
            table = pa.Table.from_batches(self._pending, self._schema).combine_chunks()
            self._writer.write_table(table, row_group_size=len(table))
        self._pending, self._held, self._held_rows = [], 0, 0

    def finish(self) -> Path:
        """Close the file, with every row in it."""
        self._flush()
        self._writer.close()
        return self.path

    def close(self) -> None:
        """Close and delete the file."""
        self._writer.close()
        self.path.unlink(missing_ok=True)


def read_rows(
    store: Store, path: str, first: int, rows: int, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file from `first` on, a few at a time."""
    with store.open(path) as source:
        file = pq.ParquetFile(source, pre_buffer=False)
        groups: list[int] = []
        skipped = 0
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            if groups or skipped + size > first:
                groups.append(group)
            else:
                skipped += size
        left = first - skipped
        for batch in file.iter_batches(rows, groups, columns, use_threads=False):
            if left < len(batch):
                yield batch.slice(left)
            left = max(0, left - len(batch))
