"""Of each cluster one row: the others are found by a shuffle of fixed-width words."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.beside import Place
from pipeline.select.clusters import RANKED, worse
from pipeline.select.passes import cluster_words
from pipeline.spark.frames import Batches, read_frame
from pipeline.spark.slim import SelectionSource, signed, unsigned

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROWS_A_TASK = 1_000_000
"""So many rows are compared in one task, or as many as their clusters have."""

_ADDRESS = pa.schema([pa.field("part", pa.int64()), pa.field("row", pa.int64())])
_WORDS = pa.schema(
    [
        *_ADDRESS,
        pa.field("lost", pa.bool_()),
        *(pa.field(name, pa.int64()) for name in RANKED),
    ]
)


def cluster_copies(
    spark: "SparkSession", source: SelectionSource, places: Sequence[Place]
) -> "DataFrame":
    """Part and row of every row that another one of its cluster stands for."""
    from pyspark.sql.pandas.types import from_arrow_schema

    def rows(item: str) -> Iterator[pa.RecordBatch]:
        place = Place.restored(item)
        for start, batch in source.read_columns(place):
            words = cluster_words(source.plan.selection.prepare(batch)[0])
            # Of a cluster's rows in one batch only the best is compared with others.
            lost = np.zeros(len(words["row"]), bool)
            lost[worse(words)] = True
            part = np.full(len(lost), place.number, np.int64)
            columns = [part, words["row"].astype(np.int64) + start, lost]
            columns += [signed(words[name]) for name in RANKED]
            yield pa.RecordBatch.from_arrays([pa.array(c) for c in columns], schema=_WORDS)

    items = [place.told() for place in places]
    tasks = sum(place.part.rows for place in places) // ROWS_A_TASK
    count = max(spark.sparkContext.defaultParallelism, tasks)
    by_cluster = read_frame(spark, items, rows, _WORDS).repartition(
        count, "cluster_high", "cluster_low"
    )
    return by_cluster.mapInArrow(_compare, from_arrow_schema(_ADDRESS))


def _compare(batches: Batches) -> Batches:
    held = []
    for batch in batches:
        yield batch.filter(batch.column("lost")).select(_ADDRESS.names)
        held.append(batch.filter(pc.invert(batch.column("lost"))))
    table = pa.Table.from_batches(held, _WORDS).combine_chunks()
    words = {name: unsigned(table.column(name).to_numpy()) for name in RANKED}
    lost = pa.array(worse(words), pa.int64())
    yield from table.select(_ADDRESS.names).take(lost).to_batches()
