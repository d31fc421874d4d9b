"""Of each cluster one row: the others are found by a shuffle of blocks of fixed-width words."""

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.io.beside import Place
from pipeline.select.clusters import addressed, deal, settle
from pipeline.select.passes import cluster_words
from pipeline.spark.frames import Batches, read_frame, runs
from pipeline.spark.slim import SelectionSource

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROWS_A_TASK = 1_000_000
"""So many rows are compared at once, or as many as their clusters have."""

_DEALT = pa.schema(
    [
        pa.field("bucket", pa.int64()),
        pa.field("lost", pa.binary()),
        pa.field("rows", pa.binary()),
    ]
)
DROPPED = pa.schema(
    [pa.field("part", pa.int64()), pa.field("row", pa.int64()), pa.field("rows", pa.binary())]
)
"""Numbers of rows (64 bits each) of a part; `row` is the first of them."""


def cluster_copies(
    spark: "SparkSession", source: SelectionSource, places: Sequence[Place]
) -> "DataFrame":
    """By part the rows that another one of their cluster stands for, as DROPPED has them."""
    from pyspark.sql.pandas.types import from_arrow_schema

    tasks = sum(place.part.rows for place in places) // ROWS_A_TASK
    buckets = max(spark.sparkContext.defaultParallelism, tasks)

    def rows(item: str) -> Iterator[pa.RecordBatch]:
        place = Place.restored(item)
        for start, batch in source.read_columns(place):
            words = cluster_words(source.plan.selection.prepare(batch)[0])
            dealt = [*deal(words, addressed(place.number, start), buckets)]
            if dealt:
                yield pa.RecordBatch.from_arrays(
                    [*map(pa.array, zip(*dealt, strict=True))], schema=_DEALT
                )

    items = [place.told() for place in places]
    by_cluster = read_frame(spark, items, rows, _DEALT).repartition(buckets, "bucket")
    ordered = by_cluster.sortWithinPartitions("bucket")
    return ordered.mapInArrow(_compare, from_arrow_schema(DROPPED))


def _compare(batches: Batches) -> Batches:
    for _, run in itertools.groupby(runs(batches), key=lambda item: item[0]):
        lost, rows = [], []
        for _, batch in run:
            lost += batch.column("lost").to_pylist()
            rows += batch.column("rows").to_pylist()
        for part, numbers in settle(lost, rows):
            told = [[part], [int(numbers[0])], [numbers.tobytes()]]
            yield pa.RecordBatch.from_arrays([*map(pa.array, told)], schema=DROPPED)
