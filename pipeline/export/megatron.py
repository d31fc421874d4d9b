"""Megatron-LM's .bin and .idx: token ids, and where each document begins."""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.export.formats import DataSet, Scratch
from pipeline.export.tokenized import TokenWriter, Vocabulary, read_tokens
from pipeline.io.store import Store
from schemas.errors import WinnowError

_HEADER = b"MMIDIDX\x00\x00"
_VERSION = 1
_CODES = {"<i4": 4, "<u2": 8}
_HEAD = struct.Struct("<9sQBQQ")


@dataclass(frozen=True)
class Megatron:
    """One sequence for each document; 16 bits an id for vocabularies of fewer than 65,500."""

    name: ClassVar[str] = "megatron"
    traced: ClassVar[bool] = True

    vocabulary: Vocabulary

    @property
    def _kind(self) -> str:
        return "<u2" if self.vocabulary.size < 65_500 else "<i4"

    def writer(self, scratch: Scratch, schema: pa.Schema) -> TokenWriter:
        """A writer of .bin and .idx."""
        return TokenWriter(scratch, self.vocabulary, self._kind, ".bin", self._index)

    def _index(self, lengths: npt.NDArray[np.int64]) -> Mapping[str, bytes]:
        count, kind = len(lengths), np.dtype(self._kind)
        starts = np.cumsum(lengths) - lengths
        parts = [
            _HEAD.pack(_HEADER, _VERSION, _CODES[self._kind], count, count + 1),
            lengths.astype("<i4").tobytes(),
            (starts * kind.itemsize).astype("<i8").tobytes(),
            np.arange(count + 1, dtype="<i8").tobytes(),
        ]
        return {".idx": b"".join(parts)}

    def read(self, store: Store, path: str, first: int, rows: int) -> Iterator[pa.RecordBatch]:
        """The ids of each document, its end included."""
        index = f"{path.removesuffix('.bin')}.idx"
        content = store.read(index)
        header, version, code, count, _ = _HEAD.unpack_from(content)
        kinds = {code: kind for kind, code in _CODES.items()}
        if header != _HEADER or version != _VERSION or code not in kinds:
            raise WinnowError(f"{index}: no index that Winnow writes")
        lengths = np.frombuffer(content, "<i4", count, _HEAD.size).astype(np.int64)
        return read_tokens(store, path, kinds[code], lengths, first, rows)

    def indexes(self, sets: Sequence[DataSet]) -> Mapping[str, str]:
        """The blends of --data-args-path (training) and --per-split-data-args-path (all splits).

        A shard's weight is its tokens: the proportions that the mixture achieved. Paths are
        relative to the mixture's folder, where training starts.
        """
        names = {"train": "train", "validation": "valid"}
        splits: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
        for data in sets:
            for shard in data.shards:
                weight = f"{shard.tokens}"
                splits[names[data.split]] += [weight, shard.path.removesuffix(".bin")]
        return {
            "megatron-blend.txt": " ".join(splits["train"]) + "\n",
            "megatron-blend.json": json.dumps(splits, indent=2) + "\n",
        }

    def to_json(self) -> Mapping[str, Any]:
        """Type of the ids and what ends a document."""
        kind = np.dtype(self._kind).name
        return {
            "name": self.name,
            "dtype": kind,
            "eod": self.vocabulary.eod,
            "vocabulary": self.vocabulary.size,
        }
