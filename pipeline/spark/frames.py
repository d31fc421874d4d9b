"""Slim columns of documents parts as Spark DataFrames, and small results back from tasks."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Batches = Iterator[pa.RecordBatch]


def slices(spark: "SparkSession", parts: int) -> int:
    """In how many tasks so many parts are read: each takes many small ones."""
    return max(1, min(parts, spark.sparkContext.defaultParallelism * 4))


def read_frame(
    spark: "SparkSession", parts: int, rows: Callable[[int], Batches], schema: pa.Schema
) -> "DataFrame":
    """A DataFrame of what `rows(part number)` yields."""
    from pyspark.sql.pandas.types import from_arrow_schema

    def read(batches: Batches) -> Batches:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from rows(number)

    return spark.range(0, parts, 1, slices(spark, parts)).mapInArrow(
        read, from_arrow_schema(schema)
    )


def told(frame: "DataFrame", function: Callable[[Batches], Iterator[str]]) -> list[str]:
    """What `function` says of each partition of a frame: strings, small enough for the driver."""

    def tell(batches: Batches) -> Batches:
        for text in function(batches):
            yield pa.record_batch([pa.array([text], pa.string())], ["told"])

    return [row.told for row in frame.mapInArrow(tell, "told string").collect()]


def runs(batches: Batches, column: int = 0) -> Iterator[tuple[object, pa.RecordBatch]]:
    """Slices of batches sorted by a column, one for each run of equal values."""
    import pyarrow.compute as pc

    for batch in batches:
        start = 0
        for run in (
            pc.run_end_encode(batch.column(column)).run_ends.to_pylist() if len(batch) else []
        ):
            yield batch.column(column)[start].as_py(), batch.slice(start, run - start)
            start = run
