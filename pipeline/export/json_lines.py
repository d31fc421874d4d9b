"""JSONL shards, compressed with zstd: a line for each document."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pyarrow as pa
import zstandard

from pipeline.export.formats import DataSet, Scratch
from pipeline.io.store import Store

_ROWS = 256
"""Rows that are turned into JSON at once."""

_READ = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("copy", pa.int32()),
        pa.field("text", pa.string()),
        pa.field("source", pa.string()),
        pa.field("n_bytes", pa.int64()),
        pa.field("n_tokens", pa.int64()),
    ]
)


class _Writer:
    def __init__(self, scratch: Scratch) -> None:
        self._path = scratch()
        self._file = self._path.open("wb")
        # One frame: there are readers that stop after the first.
        self._frame = zstandard.ZstdCompressor(level=3).compressobj()

    def write(self, batch: pa.RecordBatch) -> None:
        """Take in more rows."""
        for start in range(0, len(batch), _ROWS):
            for row in batch.slice(start, _ROWS).to_pylist():
                line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
                self._file.write(self._frame.compress(line))

    def finish(self) -> Mapping[str, Path]:
        """The compressed file."""
        self._file.write(self._frame.flush())
        self._file.close()
        return {".jsonl.zst": self._path}

    def close(self) -> None:
        """Delete what was not moved away."""
        self._file.close()
        self._path.unlink(missing_ok=True)


@dataclass(frozen=True)
class JsonLines:
    """A JSON object for each document, with the columns that it was selected by."""

    name: ClassVar[str] = "jsonl"
    traced: ClassVar[bool] = True

    def writer(self, scratch: Scratch, schema: pa.Schema) -> _Writer:
        """A writer of one zstd frame."""
        return _Writer(scratch)

    def read(self, store: Store, path: str, first: int, rows: int) -> Iterator[pa.RecordBatch]:
        """The fixed columns; what comes before `first` is decompressed and passed over."""
        found: list[Mapping[str, Any]] = []
        with store.open(path) as file, pa.CompressedInputStream(file, "zstd") as stream:
            for number, line in enumerate(io.BufferedReader(stream, 1 << 20)):
                if number < first:
                    continue
                found.append(orjson.loads(line))
                if len(found) == rows:
                    yield pa.RecordBatch.from_pylist(found, _READ)
                    found = []
        if found:
            yield pa.RecordBatch.from_pylist(found, _READ)

    def indexes(self, sets: Sequence[DataSet]) -> Mapping[str, str]:
        """None."""
        return {}

    def to_json(self) -> Mapping[str, Any]:
        """The name says all."""
        return {"name": self.name}
