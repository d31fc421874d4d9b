"""Parquet shards, and the folder of them that Hugging Face's `datasets` loads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from pipeline.export.formats import DataSet, Scratch
from pipeline.export.row_groups import RowGroups, read_rows
from pipeline.io.store import Store


class _Writer:
    def __init__(self, scratch: Scratch, schema: pa.Schema) -> None:
        self._groups = RowGroups(scratch(), schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Take in more rows."""
        self._groups.write(batch, batch.column("n_bytes").to_numpy())

    def finish(self) -> Mapping[str, Path]:
        """The Parquet file."""
        return {".parquet": self._groups.finish()}

    def close(self) -> None:
        """Delete what was not moved away."""
        self._groups.close()


@dataclass(frozen=True)
class ParquetRows:
    """A row for each document, with the columns that it was selected by."""

    name: ClassVar[str] = "parquet"
    traced: ClassVar[bool] = False

    def writer(self, scratch: Scratch, schema: pa.Schema) -> _Writer:
        """A writer of row groups of about 8 MB of text."""
        return _Writer(scratch, schema)

    def read(self, store: Store, path: str, first: int, rows: int) -> Iterator[pa.RecordBatch]:
        """Every column."""
        return read_rows(store, path, first, rows)

    def indexes(self, sets: Sequence[DataSet]) -> Mapping[str, str]:
        """None."""
        return {}

    def to_json(self) -> Mapping[str, Any]:
        """The name says all."""
        return {"name": self.name}


@dataclass(frozen=True)
class HuggingFace(ParquetRows):
    """The same shards; the dataset card's head tells `datasets.load_dataset` of the splits."""

    name: ClassVar[str] = "huggingface"
    traced: ClassVar[bool] = True
