"""The eligible rows of a mixture as Spark holds them: everything but the text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.export.mixture_plan import MixturePlan
from pipeline.io.beside import BesideReader, Place

SLIM = pa.schema(
    [
        pa.field("part", pa.int64()),
        pa.field("row", pa.int64()),
        pa.field("id", pa.string()),
        pa.field("stratum", pa.string()),
        pa.field("key", pa.int64()),
        pa.field("tie", pa.int64()),
        pa.field("score_bits", pa.int64()),
        pa.field("cost", pa.int64()),
        pa.field("n_tokens", pa.int64()),
        pa.field("n_bytes", pa.int64()),
        pa.field("cluster", pa.string()),
    ]
)
_UNSIGNED = ("key", "tie", "score_bits")
"""Kept by Spark as int64 with the top bit turned, which keeps their order."""


@dataclass(frozen=True)
class SelectionSource:
    """What every task of a selection knows."""

    workspace: str
    plan: MixturePlan

    def read(self, place: Place, names: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The first row of each row group, and its columns."""
        addresses = {name: self.plan.addresses[name] for name in names}
        start = 0
        with BesideReader(self.workspace, place.part, place.columns) as reader:
            for group in range(reader.groups):
                batch = reader.read(group, addresses)
                yield start, batch
                start += len(batch)


def signed(values: np.ndarray) -> np.ndarray:
    """64 unsigned bits as int64, in the same order."""
    return (values ^ np.uint64(1 << 63)).view(np.int64)


def unsigned(values: np.ndarray) -> np.ndarray:
    """What `signed` was made of."""
    return values.view(np.uint64) ^ np.uint64(1 << 63)


def slim_rows(prepared: pa.RecordBatch, part: int, start: int) -> pa.RecordBatch:
    """Prepared rows of a row group that begins at row `start` of a part."""
    columns: dict[str, pa.Array] = {
        "part": pa.array(np.full(len(prepared), part, np.int64)),
        "row": pc.add(prepared.column("row"), start),
    }
    for name in SLIM.names[2:]:
        column = prepared.column(name)
        columns[name] = pa.array(signed(column.to_numpy())) if name in _UNSIGNED else column
    return pa.RecordBatch.from_arrays(
        [columns[n].cast(SLIM.field(n).type) for n in SLIM.names], schema=SLIM
    )


def prepared_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows as the selection knows them: keys unsigned again."""
    arrays = [
        pa.array(unsigned(batch.column(name).to_numpy()))
        if name in _UNSIGNED
        else batch.column(name)
        for name in batch.schema.names
    ]
    return pa.RecordBatch.from_arrays(arrays, batch.schema.names)
