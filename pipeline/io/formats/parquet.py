"""Parquet, by row groups."""

from collections.abc import Iterator
from typing import BinaryIO, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.io.formats.mapping import to_document
from pipeline.io.records import Outcome, ReadOptions, Reject

_ROWS = 1024
_BROKEN = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError)


class Parquet:
    """One document a row; columns are mapped by name."""

    name: ClassVar[str] = "parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)

    def splits(self, file: BinaryIO, name: str, size: int, target: int) -> list[tuple[int, int]]:
        """Ranges of row groups of about `target` bytes."""
        try:
            metadata = pq.read_metadata(file)
        except _BROKEN:
            return [(0, -1)]
        ranges: list[tuple[int, int]] = []
        begin = held = 0
        for group in range(metadata.num_row_groups):
            weight = metadata.row_group(group).total_byte_size
            if held and held + weight > target:
                ranges.append((begin, group))
                begin, held = group, 0
            held += weight
        return [*ranges, (begin, max(begin + 1, metadata.num_row_groups))]

    def records(
        self,
        file: BinaryIO,
        name: str,
        start: int,
        end: int,
        options: ReadOptions,
        skip: int = 0,
    ) -> Iterator[Outcome]:
        """A document or a reject for each row; one reject for what can't be read."""
        row = seen = 0
        try:
            reader = pq.ParquetFile(file)
            last = reader.num_row_groups if end < 0 else min(end, reader.num_row_groups)
            row = sum(reader.metadata.row_group(g).num_rows for g in range(start))
            for group in range(start, last):
                batches = reader.iter_batches(_ROWS, [group], use_threads=False)
                for batch in batches:
                    for record in _rows(batch):
                        seen += 1
                        if seen > skip:
                            yield to_document(record, str(row), row, options)
                        row += 1
        except _BROKEN as error:
            seen += 1
            if seen > skip:
                yield Reject(row, None, "unreadable", str(error)[:200])


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, object]]:
    for record in batch.to_pylist():
        yield {
            key: value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
            for key, value in record.items()
        }
