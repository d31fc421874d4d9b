"""Slim columns of documents parts as Spark DataFrames, and small results back from tasks."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.io.beside import Place
from pipeline.spark.tasks import described

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Batches = Iterator[pa.RecordBatch]

ANNOUNCED = -1
"""The row number of the row that brings a part's place, ahead of the part's own rows."""


def slices(spark: "SparkSession", parts: int) -> int:
    """In how many tasks so many parts are read: each takes many small ones."""
    return max(1, min(parts, spark.sparkContext.defaultParallelism * 4))


def read_frame(
    spark: "SparkSession",
    items: Sequence[str],
    rows: Callable[[str], Batches],
    schema: pa.Schema,
) -> "DataFrame":
    """A DataFrame of what `rows(item)` yields; each task is sent its own items alone."""
    from pyspark.sql.pandas.types import from_arrow_schema

    def read(batches: Batches) -> Batches:
        for batch in batches:
            for item in batch.column(0).to_pylist():
                yield from rows(item)

    given = spark.createDataFrame(pa.table({"item": pa.array(items, pa.string())}))
    return given.repartition(slices(spark, len(items))).mapInArrow(read, from_arrow_schema(schema))


def gathered(spark: "SparkSession", places: Sequence[Place], rows: "DataFrame") -> "DataFrame":
    """Rows with `part` and `row` by part in order, each part's place ahead of them.

    The tasks that follow thus know the parts that they work on, and a part without rows is there.
    """
    from pyspark.sql import functions as F

    schema = {"part": pa.int64(), "row": pa.int64(), "place": pa.string()}
    columns = ([p.number for p in places], [ANNOUNCED] * len(places), [p.told() for p in places])
    announced = spark.createDataFrame(pa.table(columns, pa.schema(list(schema.items()))))
    return (
        rows.withColumn("place", F.lit(None).cast("string"))
        .unionByName(announced, allowMissingColumns=True)
        .repartition(slices(spark, len(places)), "part")
        .sortWithinPartitions("part", *(n for n in ("row", "copy") if n in rows.columns))
    )


def by_place(batches: Batches) -> Iterator[tuple[Place, pa.Table]]:
    """Each part of `gathered` rows: its place, and its rows without the one that announced it."""
    for _, run in itertools.groupby(runs(batches), key=lambda item: item[0]):
        table = pa.Table.from_batches([batch for _, batch in run]).combine_chunks()
        place = Place.restored(table.column("place")[0].as_py())
        yield place, table.slice(1).drop_columns(["place"]).combine_chunks()


def told(frame: "DataFrame", label: str, function: Callable[[Batches], Iterator[str]]) -> list[str]:
    """What `function` says of each partition of a frame: strings, small enough for the driver.

    `label` is what Spark calls the step.
    """

    def tell(batches: Batches) -> Batches:
        for text in function(batches):
            yield pa.record_batch([pa.array([text], pa.string())], ["told"])

    with described(frame.sparkSession, label):
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
