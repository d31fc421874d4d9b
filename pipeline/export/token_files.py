"""Flat files of token ids: as OLMo-core reads them, or datatrove and nanotron."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.export.formats import DataSet, Scratch
from pipeline.export.tokenized import TokenWriter, Vocabulary, read_tokens
from pipeline.io.store import Store

Style = Literal["olmo_core", "datatrove"]
"""`olmo_core`: .npy without NumPy's header, and document ranges in .csv.gz. `datatrove`: .ds, and
the end of every document, in ids, as 64-bit numbers in .ds.index.
"""


@dataclass(frozen=True)
class TokenFiles:
    """Ids one after another, and no header; 16 bits an id where the vocabulary allows."""

    name: ClassVar[str] = "tokens"
    traced: ClassVar[bool] = True

    vocabulary: Vocabulary
    style: Style
    tokenizer_name: str

    @property
    def _kind(self) -> str:
        return "<u2" if self.vocabulary.size <= 65_535 else "<u4"

    def writer(self, scratch: Scratch, schema: pa.Schema) -> TokenWriter:
        """A writer of ids and document ends."""
        olmo = self.style == "olmo_core"
        suffix, index = (".npy", self._ranges) if olmo else (".ds", self._ends)
        return TokenWriter(scratch, self.vocabulary, self._kind, suffix, index)

    def _ranges(self, lengths: npt.NDArray[np.int64]) -> Mapping[str, bytes]:
        ends = np.cumsum(lengths)
        rows = zip((ends - lengths).tolist(), ends.tolist(), strict=True)
        lines = "".join(f"{start},{end}\n" for start, end in rows)
        return {".csv.gz": gzip.compress(lines.encode(), mtime=0)}

    def _ends(self, lengths: npt.NDArray[np.int64]) -> Mapping[str, bytes]:
        total = int(lengths.sum())
        size = np.dtype(self._kind).itemsize
        told = f"{self.tokenizer_name}|{size}\n{total}\n{total:,} tokens"
        ends = np.cumsum(lengths).astype("<u8").tobytes()
        return {".ds.index": ends, ".ds.metadata": told.encode()}

    def read(self, store: Store, path: str, first: int, rows: int) -> Iterator[pa.RecordBatch]:
        """The ids of each document, its end included."""
        if self.style == "olmo_core":
            lines = gzip.decompress(store.read(f"{path.removesuffix('.npy')}.csv.gz")).split()
            ends = np.array([int(line.split(b",")[1]) for line in lines], np.int64)
        else:
            ends = np.frombuffer(store.read(f"{path}.index"), "<u8").astype(np.int64)
        return read_tokens(store, path, self._kind, np.diff(ends, prepend=0), first, rows)

    def indexes(self, sets: Sequence[DataSet]) -> Mapping[str, str]:
        """None: both trainers are given the files."""
        return {}

    def to_json(self) -> Mapping[str, Any]:
        """Style, type of the ids and what ends a document."""
        return {
            "name": self.name,
            "style": self.style,
            "dtype": np.dtype(self._kind).name,
            "eod": self.vocabulary.eod,
            "vocabulary": self.vocabulary.size,
        }
