"""Shards of a mixture: immutable files with a digest in their names."""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.export.formats import IDS_SUFFIX, File, Format, Scratch, Shard
from pipeline.export.row_groups import RowGroups
from pipeline.io.faults import fault
from pipeline.io.store import Store

FIXED = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("copy", pa.int32(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("source_id", pa.string()),
        pa.field("n_bytes", pa.int64(), nullable=False),
        pa.field("n_tokens", pa.int64()),
    ]
)
"""The columns that every shard begins with."""

IDS = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("domain", pa.string()),
        pa.field("n_tokens", pa.int64()),
        pa.field("copy", pa.int32(), nullable=False),
        pa.field("stratum", pa.string(), nullable=False),
    ]
)
"""What `<shard>.ids.parquet` says of each sample, in the order of the shard."""

TRACED = pa.schema([IDS.field("stratum"), IDS.field("domain"), pa.field("license", pa.string())])
"""What writing knows of a row beyond the columns of its shard; named with `TRACED_PREFIX`."""

TRACED_PREFIX = "winnow."


def mixture_schema(more: Mapping[str, pa.DataType]) -> pa.Schema:
    """The schema of a mixture's shards: the fixed columns, then others by name."""
    others = [pa.field(name, kind) for name, kind in more.items() if name not in FIXED.names]
    return pa.schema([*FIXED, *others])


def carried_schema(shard: pa.Schema) -> pa.Schema:
    """The columns of a shard, and those of `TRACED` under names that no column has."""
    return pa.schema([*shard, *(field.with_name(TRACED_PREFIX + field.name) for field in TRACED)])


@dataclass
class Tally:
    """What the rows of shards add up to; `+` merges, in any order."""

    strata: Counter[str] = field(default_factory=Counter)
    """Rows by stratum."""
    tokens: Counter[str] = field(default_factory=Counter)
    """Tokens by stratum, ends of documents not counted."""
    bytes: Counter[str] = field(default_factory=Counter)
    """Bytes of text by stratum."""
    repeated: int = 0
    repeated_tokens: int = 0
    edits: Counter[str] = field(default_factory=Counter)
    """Edited rows, and the code points that each kind of edit took out."""
    licenses: Counter[str] = field(default_factory=Counter)
    license_tokens: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Tally") -> "Tally":
        sums = {name: value + getattr(other, name) for name, value in vars(self).items()}
        return Tally.from_json(sums)

    def add(self, batch: pa.RecordBatch, edits: Mapping[str, str]) -> None:
        """Count the rows of a carried batch, and sum the columns that tell of edits."""
        for name, column in edits.items():
            self.edits[name] += pc.sum(batch.column(column)).as_py() or 0
        tokens = batch.column("n_tokens").fill_null(0).to_numpy()
        copies = batch.column("copy").to_numpy() > 0
        self.repeated += int(copies.sum())
        self.repeated_tokens += int(tokens[copies].sum())
        sizes = batch.column("n_bytes").to_numpy()
        for name, counters in (
            ("stratum", (self.strata, self.tokens, self.bytes)),
            ("license", (self.licenses, self.license_tokens)),
        ):
            column = batch.column(TRACED_PREFIX + name).fill_null("").dictionary_encode()
            codes = np.asarray(column.indices)
            for code, value in enumerate(column.dictionary.to_pylist()):
                mine = codes == code
                sums = (int(mine.sum()), int(tokens[mine].sum()), int(sizes[mine].sum()))
                for counter, number in zip(counters, sums, strict=False):
                    counter[value] += number

    def to_json(self) -> dict[str, Any]:
        """As tasks tell it."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Tally":
        """What `to_json` gave."""
        found: dict[str, Any] = {
            name: Counter(value) if isinstance(value, dict) else value
            for name, value in told.items()
        }
        return cls(**found)


@dataclass(frozen=True)
class ShardForm:
    """What all shards of a mixture have in common."""

    format: Format
    schema: pa.Schema
    ids: bool
    """Whether a file of ids lies beside each."""
    eod: bool
    """Whether a token that ends a document counts."""
    edits: Mapping[str, str] = field(default_factory=dict)
    """The columns that tell of edits, by what is summed."""


class _Ids:
    """The file of ids beside a shard."""

    def __init__(self, scratch: Scratch) -> None:
        self._groups = RowGroups(scratch(), IDS)
        self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        columns = {name: batch.column(name) for name in ("id", "source", "n_tokens", "copy")}
        for name in ("domain", "stratum"):
            columns[name] = batch.column(TRACED_PREFIX + name)
        columns["position"] = pa.array(np.arange(self._rows, self._rows + len(batch)))
        rows = pa.RecordBatch.from_arrays([columns[n] for n in IDS.names], schema=IDS)
        self._groups.write(rows, np.zeros(len(batch), np.int64))
        self._rows += len(batch)

    def finish(self) -> Mapping[str, Path]:
        return {IDS_SUFFIX: self._groups.finish()}

    def close(self) -> None:
        self._groups.close()


def write_shard(
    store: Store,
    folder: str,
    stem: str,
    form: ShardForm,
    batches: Iterable[pa.RecordBatch],
) -> tuple[Shard, Tally]:
    """Write the rows of a shard, and create its files under names that its content gives them.

    `folder` is the mixture's, `stem` the name relative to it. Nothing is left behind on failure.
    """
    tally, rows = Tally(), 0
    with contextlib.ExitStack() as stack:
        writers = [form.format.writer(store.scratch, form.schema)]
        stack.enter_context(contextlib.closing(writers[0]))
        if form.ids:
            writers.append(stack.enter_context(contextlib.closing(_Ids(store.scratch))))
        for batch in batches:
            tally.add(batch, form.edits)
            rows += len(batch)
            writers[0].write(batch.select(form.schema.names).cast(form.schema))
            for ids in writers[1:]:
                ids.write(batch)
        files = {suffix: path for writer in writers for suffix, path in writer.finish().items()}
        first, *beside = _created(store, folder, stem, files)
    tokens = sum(tally.tokens.values()) + (rows if form.eod else 0)
    shard = Shard(first.path, rows, tokens, first.bytes, first.sha256, beside=tuple(beside))
    return shard, tally


def _created(store: Store, folder: str, stem: str, files: Mapping[str, Path]) -> list[File]:
    """The files under their names, which the digest of all of them gives."""
    told: list[tuple[str, int, str]] = []
    for suffix, path in files.items():
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        told.append((suffix, path.stat().st_size, digest))
    whole = "".join(digest for *_, digest in told)
    digest = whole if len(told) == 1 else hashlib.sha256(whole.encode()).hexdigest()
    name = f"{stem}-{digest[:12]}"
    found = []
    for suffix, size, digest in told:
        fault("write.shard.before")
        store.create(f"{folder}/{name}{suffix}", files[suffix])
        fault("write.shard.after")
        found.append(File(f"{name}{suffix}", size, digest))
    return found


def cut_shards(histogram: npt.NDArray[np.int64], target: int) -> list[int]:
    """Boundaries that cut the range of a 64-bit hash into shards of about `target` units.

    `histogram` has the units for each value of the hash's top 16 bits; a boundary is the first
    hash of the next shard.
    """
    total = int(histogram.sum())
    count = max(1, -(-total // target))
    sums = np.cumsum(histogram)
    marks = [total * number // count for number in range(1, count)]
    places = [int(np.searchsorted(sums, mark, side="left")) + 1 for mark in marks]
    return sorted({place << 48 for place in places if place < 1 << 16})


def shard_of(order: npt.NDArray[np.uint64], boundaries: Sequence[int]) -> npt.NDArray[np.int64]:
    """The shard of each hash."""
    marks = np.array(boundaries, np.uint64)
    return np.asarray(np.searchsorted(marks, order, side="right"), np.int64)
