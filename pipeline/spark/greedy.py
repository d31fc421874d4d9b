"""The same stars in one task, for what is small or left over: no rounds, documents in turn."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

CANDIDATES = pa.schema(
    [
        pa.field("doc", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("id", pa.string()),
        pa.field("open", pa.bool_()),
        pa.field("buckets", pa.list_(pa.int64())),
        pa.field("shingles", pa.binary()),
    ]
)
"""A document of a crowded bucket; `size` is negative, so that the longest comes first."""

EDGES = pa.schema(
    [
        pa.field("centre", pa.int64()),
        pa.field("doc", pa.int64()),
        pa.field("similarity", pa.float64()),
    ]
)


def greedy_stars(
    batches: Iterable[pa.RecordBatch], threshold: float | None
) -> Iterator[pa.RecordBatch]:
    """Edges (EDGES) of the candidates (CANDIDATES); without a threshold each candidate is near."""
    table = pa.Table.from_batches(batches, CANDIDATES)
    if not len(table):
        return
    order = pc.sort_indices(table, [("size", "ascending"), ("id", "ascending")])
    # Everything but the shingles is put in order: they are large, and are looked up where they are.
    slim = table.select(["doc", "open", "buckets"]).take(order)
    docs = slim.column("doc").to_pylist()
    undecided = slim.column("open").to_pylist()
    buckets = slim.column("buckets").to_pylist()
    shared: dict[int, list[int]] = defaultdict(list)
    for row, found in enumerate(buckets):
        for bucket in found:
            shared[bucket].append(row)
    nearness = _Nearness(table.column("shingles"), order.to_numpy(), threshold)
    centres: set[int] = set()
    edges: list[tuple[int, int, float | None]] = []
    for centre in range(len(docs)):
        if not undecided[centre]:
            continue
        centres.add(centre)
        candidates = {row for bucket in buckets[centre] for row in shared[bucket]} - centres
        for row, similarity in nearness.of(centre, sorted(candidates)):
            undecided[row] = False
            edges.append((docs[centre], docs[row], similarity))
    columns = list(zip(*edges, strict=True)) or [(), (), ()]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, EDGES, strict=True)]
    yield pa.RecordBatch.from_arrays(arrays, schema=EDGES)


class _Nearness:
    """Which candidates are near a centre."""

    def __init__(
        self, shingles: pa.ChunkedArray, order: np.ndarray, threshold: float | None
    ) -> None:
        self._threshold = threshold
        sets = [
            np.frombuffer(value.as_buffer(), np.uint64)
            for value in (shingles if threshold is not None else ())
        ]
        self._sets = [sets[row] for row in order] if sets else []

    def of(self, centre: int, rows: list[int]) -> Iterator[tuple[int, float | None]]:
        """Rows with their similarity to the centre."""
        from pipeline.text.shingles import jaccard

        for row in rows:
            if self._threshold is None:
                yield row, None
            elif (found := jaccard(self._sets[centre], self._sets[row])) >= self._threshold:
                yield row, found
