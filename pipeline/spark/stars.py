"""Clusters of near duplicates: stars around centres, found in parallel rounds.

The centres are the lexicographically first maximal independent set, in keep order, of the graph of
verified pairs; a round decides every document that comes first in all of its buckets (Blelloch,
Fineman and Shun 2012, 1202.3205). Only pairs of a centre are ever verified: a bucket of a million
copies costs a million comparisons, not their square.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Verify = Callable[["DataFrame"], "DataFrame"]
"""From pairs (centre, doc) to those that are near, with their `similarity`."""


@dataclass(frozen=True)
class Round:
    """What a round left: edges (centre, doc, similarity), and the rows of documents still open."""

    edges: "DataFrame"
    rows: "DataFrame"


def crowded(rows: "DataFrame") -> "DataFrame":
    """The rows (bucket, doc, place) of buckets with more than one document.

    `place` is a struct that orders documents as they are kept and ends in `doc`.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    bucket = Window.partitionBy("bucket")
    return (
        rows.withColumn("n", F.count("*").over(bucket))
        .where("n > 1")
        .select("bucket", "doc", "place", F.lit(True).alias("open"))
    )


def stars(rows: "DataFrame", verify: Verify) -> list["DataFrame"]:
    """Edges from every centre to the documents near it, round by round, until all is decided."""
    rows = rows.localCheckpoint()
    found = []
    while not rows.where("open").isEmpty():
        step = _round(rows, verify)
        found.append(step.edges)
        rows = step.rows
    return found


def _round(rows: "DataFrame", verify: Verify) -> Round:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    bucket = Window.partitionBy("bucket")
    led = (
        rows.withColumn("first", F.min(F.when(F.col("open"), F.col("place"))).over(bucket))
        .where("first is not null")
        .persist()
    )
    leads = F.col("place") == F.col("first")
    centres = (
        led.where("open")
        .groupBy("doc")
        .agg(F.min(leads).alias("centre"))
        .where("centre")
        .select(F.col("doc").alias("centre"))
        .localCheckpoint()
    )
    pairs = (
        led.where(~leads)
        .select(F.col("first.doc").alias("centre"), "doc")
        .join(centres, "centre", "left_semi")
        .distinct()
    )
    edges = verify(pairs).localCheckpoint()
    decided = edges.select("doc").distinct().withColumn("near", F.lit(True))
    left = (
        led.join(centres.withColumnRenamed("centre", "doc"), "doc", "left_anti")
        .join(decided, "doc", "left")
        .select("bucket", "doc", "place", (F.col("open") & F.col("near").isNull()).alias("open"))
        .localCheckpoint()
    )
    led.unpersist()
    return Round(edges, left)
