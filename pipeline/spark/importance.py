"""Importance weights on Spark: the corpus is counted as a whole, then each text is weighed."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.io.beside import Place
from pipeline.spark.frames import read_frame
from pipeline.stages.dsir import Dsir

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Texts = Callable[[Place], Iterator[tuple[pa.Array, pa.Array]]]
"""The texts of a part that are to be weighed, some at a time, after the numbers of their rows."""

_COUNTS = pa.schema([pa.field("bucket", pa.int64()), pa.field("count", pa.int64())])


def importance_weights(
    spark: "SparkSession", stage: Dsir, places: Sequence[Place], texts: Texts
) -> "DataFrame":
    """Part, row and the stage's columns of every text; the texts are read twice where they lie."""
    weights = stage.weights(_counted(spark, stage, places, texts))
    addresses = [pa.field("part", pa.int64()), pa.field("row", pa.int64())]
    schema = pa.schema([*addresses, *stage.schema()])

    def weigh(item: str) -> Iterator[pa.RecordBatch]:
        place = Place.restored(item)
        for rows, found in texts(place):
            part = pa.array(np.full(len(rows), place.number, np.int64))
            columns = [part, rows, *stage.weigh(found, weights)]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return read_frame(spark, [place.told() for place in places], weigh, schema)


def _counted(
    spark: "SparkSession", stage: Dsir, places: Sequence[Place], texts: Texts
) -> np.ndarray:
    """The n-grams of all texts by bucket: sums of integers, the same in any order."""

    def count(item: str) -> Iterator[pa.RecordBatch]:
        totals = np.zeros(stage.buckets, np.int64)
        for _, found in texts(Place.restored(item)):
            stage.count(found, totals)
        some = np.flatnonzero(totals)
        yield pa.RecordBatch.from_arrays([pa.array(some), pa.array(totals[some])], schema=_COUNTS)

    found = read_frame(spark, [place.told() for place in places], count, _COUNTS)
    totals = np.zeros(stage.buckets, np.int64)
    for row in found.groupBy("bucket").sum("count").collect():
        totals[row[0]] = row[1]
    return totals
