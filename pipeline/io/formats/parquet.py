"""Parquet, by row groups."""

from collections.abc import Iterator
from typing import BinaryIO, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.io.formats.mapping import to_document
from pipeline.io.records import Outcome, ReadOptions, Reject

_ROWS = 1024
_BYTES = 16 << 20
_BROKEN = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError)


class Parquet:
    """One document a row; columns are mapped by name."""

    name: ClassVar[str] = "parquet"

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
                for batch in reader.iter_batches(_rows(reader, group), [group], use_threads=False):
                    first, row = row, row + len(batch)
                    behind = max(0, min(skip - seen, len(batch)))
                    seen += len(batch)
                    yield from _outcomes(batch.slice(behind), first + behind, options)
        except _BROKEN as error:
            if seen >= skip:
                yield Reject(row, None, "unreadable", str(error)[:200])


def _rows(reader: pq.ParquetFile, group: int) -> int:
    """Rows to hold at once: fewer where they are large."""
    metadata = reader.metadata.row_group(group)
    fit = _BYTES * int(metadata.num_rows) // max(1, int(metadata.total_byte_size))
    return max(1, min(_ROWS, fit))


def _outcomes(batch: pa.RecordBatch, first: int, options: ReadOptions) -> Iterator[Outcome]:
    try:
        records = batch.to_pylist()
    except _BROKEN as error:
        # A value that Python has no object for: text that is no UTF-8, a date after 9999.
        if len(batch) == 1:
            reason = "invalid_utf8" if isinstance(error, UnicodeDecodeError) else "invalid_value"
            yield Reject(first, None, reason, str(error)[:200])
            return
        for row in range(len(batch)):
            yield from _outcomes(batch.slice(row, 1), first + row, options)
        return
    for row, record in enumerate(records, first):
        named = {key: _text(value) for key, value in record.items()}
        yield to_document(named, str(row), row, options)


def _text(value: object) -> object:
    """Binary columns may hold text: bytes that are UTF-8 are taken as such."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value
