"""Samples by their place in the global order, read from shards that are checked first."""

import bisect
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

import pyarrow as pa

from pipeline.export.data_sets import data_sets_of
from pipeline.export.formats import File, Shard
from pipeline.export.order import Blocks
from pipeline.export.row_checks import check_file
from pipeline.export.samples import STRATUM, format_of, read_samples
from pipeline.io.store import open_store
from schemas.errors import ConfigurationError, WinnowError

Sample = dict[str, Any]

_GIVEN = ("id", "source", STRATUM, "copy", "n_tokens", "text", "input_ids")
"""What a sample has, of the columns that are there."""


class BlockReader:
    """The shards of a split, or of one stratum in it, as rows one after another."""

    def __init__(
        self,
        location: str,
        manifest: Mapping[str, Any],
        split: str,
        stratum: str | None,
        check: bool,
    ) -> None:
        self._location, self._check = location, check
        self._format = format_of(manifest)
        self._strata = manifest["config"].get("strata", ())
        sets = [data for data in data_sets_of(manifest) if data.split == split]
        if stratum is not None:
            sets = [data for data in sets if data.stratum == stratum]
            if not sets:
                raise ConfigurationError(
                    f"{location} has no data set of the stratum {stratum} in the split {split}"
                )
        self._shards = [shard for data in sets for shard in data.shards]
        self._ends = list(accumulate(shard.rows for shard in self._shards))
        self._checked: set[str] = set()

    @property
    def rows(self) -> int:
        """Samples of all its shards."""
        return self._ends[-1] if self._ends else 0

    def open(self, blocks: Blocks) -> "OpenBlocks":
        """Its samples by their place in the global order."""
        return OpenBlocks(self, blocks)

    def rows_from(self, row: int) -> Iterator[pa.RecordBatch]:
        """The rows from `row` on."""
        number = bisect.bisect_right(self._ends, row)
        first = row - (self._ends[number - 1] if number else 0)
        for shard in self._shards[number:]:
            self._refuse_damaged(shard)
            store = open_store(self._location)
            yield from read_samples(store, self._format, shard, self._strata, first)
            first = 0

    def _refuse_damaged(self, shard: Shard) -> None:
        if not self._check or shard.path in self._checked:
            return
        store = open_store(self._location)
        for file in (File(shard.path, shard.bytes, shard.sha256), *shard.beside):
            for path, problem in check_file(store, file):
                raise WinnowError(f"{self._location}/{path}: {problem}")
        self._checked.add(shard.path)


class OpenBlocks:
    """Blocks that are being read, each from front to back."""

    def __init__(self, reader: BlockReader, blocks: Blocks) -> None:
        self._reader, self._blocks = reader, blocks
        self._open: dict[int, _Cursor] = {}

    def read(self, index: int) -> Sample:
        """The sample at a place of the global order; of each block, a later one each time."""
        block, row = self._blocks.place(index)
        if block not in self._open:
            self._open[block] = _Cursor(self._reader.rows_from(row), row)
        return self._open[block].read(row)


class _Cursor:
    def __init__(self, batches: Iterator[pa.RecordBatch], row: int) -> None:
        self._batches, self._begin = batches, row
        self._batch: pa.RecordBatch | None = None

    def read(self, row: int) -> Sample:
        while self._batch is None or row >= self._begin + len(self._batch):
            self._begin += 0 if self._batch is None else len(self._batch)
            self._batch = next(self._batches)
        one = self._batch.slice(row - self._begin, 1)
        sample = {name: one.column(name)[0].as_py() for name in _GIVEN if name in one.schema.names}
        return {**sample, "stratum": sample.pop(STRATUM), "n_tokens": sample["n_tokens"] or 0}
