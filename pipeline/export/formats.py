"""What a trainer's format has to do: turn a shard's rows into files, and read them again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pyarrow as pa

from pipeline.io.store import Store
from schemas.mixture import TOKENIZED_FORMATS

Scratch = Callable[[], Path]
"""Gives a fresh local path for a file that is being written."""

IDS_SUFFIX = ".ids.parquet"
"""Ends the name of the file that leads from a shard's samples back to their documents."""


@dataclass(frozen=True)
class File:
    """A file of a mixture as the manifest has it; `path` is relative to the mixture's folder."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Shard:
    """A shard as the manifest has it: the file that holds its rows, and those beside it."""

    path: str
    rows: int
    tokens: int
    bytes: int
    sha256: str
    stratum: str | None = None
    """Where every stratum is a data set of its own."""
    beside: tuple[File, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        told: dict[str, Any] = {
            "path": self.path,
            "rows": self.rows,
            "tokens": self.tokens,
            "bytes": self.bytes,
            "sha256": self.sha256,
        }
        if self.stratum is not None:
            told["stratum"] = self.stratum
        if self.beside:
            told["beside"] = [vars(file) for file in self.beside]
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Shard":
        """What `to_json` gave."""
        beside = tuple(File(**file) for file in told.get("beside", ()))
        return cls(**{**told, "beside": beside})


@dataclass(frozen=True)
class DataSet:
    """The shards that a trainer takes as one: those of a split, or of a stratum in a split."""

    split: str
    folder: str
    """Relative to the mixture's; empty where it is the mixture's own."""
    stratum: str | None = None
    shards: Sequence[Shard] = field(default=(), compare=False)

    @property
    def tokens(self) -> int:
        """Tokens of all its shards."""
        return sum(shard.tokens for shard in self.shards)

    def name(self, path: str) -> str:
        """A file's path relative to the mixture's folder."""
        return f"{self.folder}/{path}" if self.folder else path


def counts_ends(manifest: Mapping[str, Any]) -> bool:
    """Whether the tokens of a mixture include one that ends each document."""
    tokenized = manifest["format"]["name"] in TOKENIZED_FORMATS
    return bool(manifest["config"].get("eod", tokenized))


class ShardWriter(Protocol):
    """Takes the rows of one shard in their final order; the files depend on the rows alone."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Take in more rows."""
        ...

    def finish(self) -> Mapping[str, Path]:
        """Finished local files by suffix; the first is the one that the shard is named after."""
        ...

    def close(self) -> None:
        """Leave nothing behind that `finish` did not give."""
        ...


class Format(Protocol):
    """A trainer's format: a frozen dataclass, sent to the tasks that write."""

    name: ClassVar[str]
    traced: ClassVar[bool]
    """Whether a file of ids lies beside each shard; without, the shard's own rows have them."""

    def writer(self, scratch: Scratch, schema: pa.Schema) -> ShardWriter:
        """A writer of one shard, whose rows have this schema."""
        ...

    def read(self, store: Store, path: str, first: int, rows: int) -> Iterator[pa.RecordBatch]:
        """The samples of a shard from the row `first` on, so many at once: `text` or
        `input_ids`, and what else the shard itself holds.
        """
        ...

    def indexes(self, sets: Sequence[DataSet]) -> Mapping[str, str]:
        """Further files by path that trainers look for: they are replaced as a whole."""
        ...

    def to_json(self) -> Mapping[str, Any]:
        """What is needed to read the shards, for the manifest."""
        ...
