"""The rows of a mixture as tasks read them and as Spark holds them: everything but the text."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.export.data_sets import held_out
from pipeline.export.mixture_plan import MixturePlan
from pipeline.io.beside import BesideReader, Place
from pipeline.select.eligible import Eligible, Integers
from pipeline.select.plan import Selection

KEPT_ROWS = pa.schema(
    [
        pa.field("part", pa.int64()),
        pa.field("row", pa.int64()),
        pa.field("id", pa.string()),
        pa.field("copies", pa.int32()),
        pa.field("n_tokens", pa.int64()),
        pa.field("n_bytes", pa.int64()),
        pa.field("stratum", pa.string()),
        pa.field("held_out", pa.bool_()),
    ]
)
"""The rows that a plan takes, how often, and whether they are for validation."""

BATCH_ROWS = 100_000
"""Row groups are joined to batches of about so many rows: arithmetic on few rows is slow."""


@dataclass(frozen=True)
class SelectionSource:
    """What every task of a selection knows."""

    workspace: str
    plan: MixturePlan

    def of(self, selection: Selection) -> "SelectionSource":
        """The same with a selection that has been fitted."""
        return SelectionSource(self.workspace, replace(self.plan, selection=selection))

    def read(
        self, place: Place, names: Sequence[str], encoded: Sequence[str] = ()
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The first row of each row group, and its columns; `encoded` ones as dictionaries."""
        addresses = {name: self.plan.addresses[name] for name in names}
        dictionaries = [addresses[name] for name in encoded]
        start = 0
        with BesideReader(self.workspace, place.part, place.columns, dictionaries) as reader:
            for group in range(reader.groups):
                batch = reader.read(group, addresses)
                yield start, batch
                start += len(batch)

    def read_columns(self, place: Place) -> Iterator[tuple[int, pa.RecordBatch]]:
        """What the selection reads, in batches of many rows; each with its first row's number."""
        begin = 0
        for batch in joined(batch for _, batch in self._slim(place)):
            yield begin, batch
            begin += len(batch)

    def read_joined(
        self, parts: Iterable[tuple[Place, Integers]]
    ) -> Iterator[tuple[pa.RecordBatch, Integers]]:
        """Of parts and the rows that are dropped of each, batches and the rows dropped of those.

        A batch has the rows of several parts where these are small.
        """
        dropped: list[Integers] = []
        read = begin = 0

        def batches() -> Iterator[pa.RecordBatch]:
            nonlocal read
            for place, gone in parts:
                dropped.append(gone + read)
                for _, batch in self._slim(place):
                    read += len(batch)
                    yield batch

        for batch in joined(batches()):
            known = np.concatenate(dropped)
            end = begin + len(batch)
            low, high = np.searchsorted(known, [begin, end])
            yield batch, known[low:high] - begin
            dropped[:], begin = [known[high:]], end

    def _slim(self, place: Place) -> Iterator[tuple[int, pa.RecordBatch]]:
        groups = self.plan.split_by if self.plan.validation else ()
        names = tuple(dict.fromkeys([*self.plan.selection.columns, *groups]))
        return self.read(place, names, self.plan.selection.strata)

    def held_out(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Which rows of a batch are for validation."""
        if not self.plan.validation:
            return np.zeros(len(batch), bool)
        groups = (batch.column(name).cast(pa.string()) for name in self.plan.split_by)
        return held_out(self.plan.seed, self.plan.validation, pc.coalesce(*groups))


def joined(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Consecutive batches as larger ones, those of one schema together."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        if held and (rows >= BATCH_ROWS or batch.schema != held[0].schema):
            yield _whole(held)
            held, rows = [], 0
        if len(batch):
            held.append(batch)
            rows += len(batch)
    if held:
        yield _whole(held)


def _whole(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def signed(values: np.ndarray) -> np.ndarray:
    """64 unsigned bits as int64, in the same order."""
    return (values ^ np.uint64(1 << 63)).view(np.int64)


def unsigned(values: np.ndarray) -> np.ndarray:
    """What `signed` was made of."""
    return values.view(np.uint64) ^ np.uint64(1 << 63)


def kept_rows(
    rows: Eligible, copies: np.ndarray, held: npt.NDArray[np.bool_], part: int, start: int
) -> pa.RecordBatch:
    """Of the rows of a batch that begins at row `start` of a part, those that are taken."""
    taken = np.flatnonzero(copies)
    columns = {
        "part": np.full(len(taken), part, np.int64),
        "row": rows.rows[taken] + start,
        "id": rows.ids.take(pa.array(taken)),
        "copies": copies[taken].astype(np.int32),
        "n_tokens": rows.n_tokens[taken],
        "n_bytes": rows.n_bytes[taken],
        "stratum": pa.array(rows.strata, pa.string()).take(pa.array(rows.codes[taken])),
        "held_out": held[rows.rows[taken]],
    }
    return pa.RecordBatch.from_arrays(
        [pa.array(columns[f.name], f.type) for f in KEPT_ROWS], schema=KEPT_ROWS
    )
