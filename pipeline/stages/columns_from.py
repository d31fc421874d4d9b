"""Scores that others computed, joined to the documents by id, URL or the record's own id."""

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from pipeline.stages.base import File, RelationalStage


@dataclass(frozen=True, kw_only=True)
class ColumnsFrom(RelationalStage):
    """Columns of a table (Parquet, JSONL or CSV; a directory or glob of them) keyed by documents.

    A document without a row in the table has nulls; a key that stands there twice is an error.
    """

    kind: ClassVar[str] = "columns_from"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("id", "url", "source_id")

    path: File
    key: Literal["id", "url", "source_id"]
    columns: list[str]

    def __hash__(self) -> int:
        return hash((self.path, self.key, *self.columns))

    def check(self) -> None:
        """The key and every column must be in the table."""
        if not self.columns:
            raise ValueError("columns: name at least one column")
        found = table_schema(self.path, self.key)
        for name in (self.key, *self.columns):
            if name not in found.names:
                raise ValueError(
                    f"{self.path} has no column {name}; it has {', '.join(found.names)}"
                )

    def schema(self) -> pa.Schema:
        """The columns as the table types them."""
        found = table_schema(self.path, self.key)
        return pa.schema([pa.field(name, _plain(found.field(name).type)) for name in self.columns])


def table_files(path: str) -> list[str]:
    """The files that a path, directory or glob names, in order."""
    if os.path.isdir(path):
        return sorted(glob.glob(os.path.join(path, "*.*")))
    return sorted(glob.glob(path)) or [path]


def table_schema(path: str, key: str) -> pa.Schema:
    """The schema of the table's first file; ValueError where it can't be read."""
    try:
        return next(table_batches(table_files(path)[0], key)).schema
    except (OSError, IndexError, StopIteration, pa.ArrowInvalid) as error:
        why = str(error) if isinstance(error, OSError | pa.ArrowInvalid) else "it is empty"
        raise ValueError(f"{path} can't be read as a table: {why}") from error


def table_batches(file: str, key: str) -> Iterator[pa.RecordBatch]:
    """A table file's rows, a batch at a time; in text the key is never taken for a number."""
    name = re.sub(r"\.(gz|bz2|zst)$", "", file)
    if name.endswith((".jsonl", ".json")):
        yield from _json_batches(file, key)
    elif name.endswith(".csv"):
        import pyarrow.csv

        # Hexadecimal digits can look like a number: 12e7.
        options = pyarrow.csv.ConvertOptions(column_types={key: pa.string()})
        yield from pyarrow.csv.open_csv(file, convert_options=options)
    else:
        import pyarrow.parquet as pq

        reader = pq.ParquetFile(file)
        empty = pa.RecordBatch.from_pylist([], reader.schema_arrow)
        batches = reader.iter_batches(batch_size=65_536, use_threads=False)
        yield from batches if reader.metadata.num_rows else iter([empty])


def _json_batches(file: str, key: str) -> Iterator[pa.RecordBatch]:
    import pyarrow.json

    reader = pyarrow.json.open_json(file)
    if key in reader.schema.names and pa.types.is_timestamp(reader.schema.field(key).type):
        # It was a string that looks like a date.
        told = pa.schema([pa.field(key, pa.string())])
        options = pyarrow.json.ParseOptions(explicit_schema=told)
        reader = pyarrow.json.open_json(file, parse_options=options)
    yield from reader


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_floating(kind):
        return pa.float64()
    if pa.types.is_integer(kind):
        return pa.int64()
    return kind
