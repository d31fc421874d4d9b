"""MosaicML streaming's MDS: samples with random access, and an index.json with their hashes."""

import itertools
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from pipeline.export.formats import DataSet, Scratch
from pipeline.io.store import Store
from schemas.errors import WinnowError

COLUMNS = ("id", "source", "text")
"""What a sample has, all strings, in the order in which MDS stores them."""

_FORM: dict[str, Any] = {
    "column_encodings": ["str"] * len(COLUMNS),
    "column_names": list(COLUMNS),
    "column_sizes": [None] * len(COLUMNS),
    "compression": None,
    "format": "mds",
    "hashes": ["sha256"],
    "size_limit": None,
    "version": 2,
}


class _Writer:
    """Samples go to a file of their own first: the offsets of all stand before them."""

    def __init__(self, scratch: Scratch) -> None:
        self._samples, self._path = scratch(), scratch()
        self._file = self._samples.open("wb")
        self._sizes: list[int] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take in more rows."""
        columns = [batch.column(name).to_pylist() for name in COLUMNS]
        for row in zip(*columns, strict=True):
            values = [value.encode() for value in row]
            head = np.array([len(value) for value in values], "<u4").tobytes()
            self._file.write(head)
            self._file.writelines(values)
            self._sizes.append(len(head) + sum(map(len, values)))

    def finish(self) -> Mapping[str, Path]:
        """The shard."""
        self._file.close()
        form = json.dumps(_FORM, sort_keys=True).encode()
        begin = 4 * (len(self._sizes) + 2) + len(form)
        offsets = begin + np.cumsum([0, *self._sizes])
        if offsets[-1] >= 1 << 32:
            raise WinnowError("an MDS shard holds less than 4 GiB: set a smaller `shard_tokens`")
        with self._path.open("wb") as file, self._samples.open("rb") as samples:
            file.write(np.array([len(self._sizes)], "<u4").tobytes())
            file.write(offsets.astype("<u4").tobytes())
            file.write(form)
            shutil.copyfileobj(samples, file)
        return {".mds": self._path}

    def close(self) -> None:
        """Delete what was not moved away."""
        self._file.close()
        for path in (self._samples, self._path):
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Mds:
    """A sample for each document, with its text, source and id."""

    name: ClassVar[str] = "mds"
    traced: ClassVar[bool] = True

    def writer(self, scratch: Scratch, schema: pa.Schema) -> _Writer:
        """A writer of one uncompressed shard."""
        return _Writer(scratch)

    def read(self, store: Store, path: str, first: int, rows: int) -> Iterator[pa.RecordBatch]:
        """Id, source and text of each sample."""
        with store.open(path) as file:
            count = int(np.frombuffer(file.read(4), "<u4")[0])
            offsets = np.frombuffer(file.read(4 * (count + 1)), "<u4").astype(np.int64)
            for start in range(first, count, rows):
                ends = offsets[start : start + rows + 1]
                file.seek(int(ends[0]))
                content = file.read(int(ends[-1] - ends[0]))
                places = itertools.pairwise((ends - ends[0]).tolist())
                found = [_sample(content[begin:end]) for begin, end in places]
                columns = [pa.array(values, pa.string()) for values in zip(*found, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, list(COLUMNS))

    def indexes(self, sets: Sequence[DataSet]) -> Mapping[str, str]:
        """An index.json in every data set's folder, and one configuration of all streams.

        A stream's proportion is its tokens' share; streaming counts samples, so the share of
        samples stands beside it.
        """
        found = {data.name("index.json"): _index(data) for data in sets}
        train = [data for data in sets if data.split == "train"]
        rows = sum(shard.rows for data in train for shard in data.shards) or 1
        tokens = sum(data.tokens for data in train)
        streams = [
            {
                "local": data.folder or ".",
                "proportion": sum(shard.rows for shard in data.shards) / rows,
                "tokens": data.tokens,
                "token_share": data.tokens / tokens if tokens else 0.0,
            }
            for data in train
        ]
        found["streaming.json"] = json.dumps({"streams": streams}, indent=2) + "\n"
        return found

    def to_json(self) -> Mapping[str, Any]:
        """The name says all."""
        return {"name": self.name}


def _sample(content: bytes) -> list[str]:
    sizes = np.frombuffer(content, "<u4", len(COLUMNS)).tolist()
    values, place = [], 4 * len(COLUMNS)
    for size in sizes:
        values.append(content[place : place + size].decode())
        place += size
    return values


def _index(data: DataSet) -> str:
    shards = [
        {
            **_FORM,
            "raw_data": {
                "basename": shard.path.rpartition("/")[2],
                "bytes": shard.bytes,
                "hashes": {"sha256": shard.sha256},
            },
            "samples": shard.rows,
            "zip_data": None,
        }
        for shard in data.shards
    ]
    return json.dumps({"shards": shards, "version": 2}, sort_keys=True) + "\n"
