"""Clusters of near duplicates: stars around centres, found in parallel rounds.

The centres are the lexicographically first maximal independent set, in keep order, of the graph of
verified pairs; a round decides every document that comes first in all of its buckets (Blelloch,
Fineman and Shun 2012, 1202.3205). What a round leaves is kept by two executors, so that one may die
between rounds. Only pairs of a centre are ever verified: a bucket of a million
copies costs a million comparisons, not their square. What is left after some rounds, or small to
begin with, is decided in one task.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SMALL_BYTES = 64 << 20
"""Candidates with so much text, or less, are decided in one task of a cluster ..."""

SMALL_BYTES_HERE = 512 << 20
"""... and so much on one machine, where no container limits a task's memory (as much again)."""

Relate = Callable[["DataFrame"], "DataFrame"]
"""To edges (centre, doc, similarity): from pairs (centre, doc), or from candidates' rows."""


@dataclass(frozen=True)
class _Round:
    """What a round left: edges, and the rows of documents that a later round may need."""

    edges: "DataFrame"
    rows: "DataFrame"


def crowded(rows: "DataFrame") -> "DataFrame":
    """The rows (bucket, doc, rank) of buckets with more than one document; all are open.

    `rank` is a struct (size, id, doc) that orders documents as they are kept.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    bucket = Window.partitionBy("bucket")
    return (
        rows.withColumn("n", F.count("*").over(bucket))
        .where("n > 1")
        .select("bucket", "doc", "rank", F.lit(True).alias("open"))
    )


def stars(rows: "DataFrame", verify: Relate, decide: Relate, small: int) -> list["DataFrame"]:
    """Edges from every centre to the documents near it.

    `verify` keeps the pairs that are near; `decide` takes the candidates of all remaining buckets
    (doc, rank, open, buckets) and gives all their edges, once they have `small` bytes of text.
    """
    from pyspark.sql import functions as F

    rows = _held(rows)
    found: list[DataFrame] = []
    while True:
        candidates = rows.groupBy("doc").agg(
            F.first("rank").alias("rank"),
            F.first("open").alias("open"),
            F.collect_list("bucket").alias("buckets"),
        )
        size = candidates.agg(F.sum("rank.size"), F.max("open")).first()
        assert size is not None
        if not size[1]:
            return found
        if -size[0] <= small:
            return [*found, decide(candidates)]
        step = _round(rows, verify)
        found.append(step.edges)
        rows = step.rows


def _round(rows: "DataFrame", verify: Relate) -> _Round:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    bucket = Window.partitionBy("bucket")
    led = (
        rows.withColumn("first", F.min(F.when(F.col("open"), F.col("rank"))).over(bucket))
        .where("first is not null")
        .persist()
    )
    leads = F.col("rank") == F.col("first")
    centres = _held(
        led.where("open")
        .groupBy("doc")
        .agg(F.min(leads).alias("centre"))
        .where("centre")
        .select(F.col("doc").alias("centre"))
    )
    pairs = (
        led.where(~leads)
        .select(F.col("first.doc").alias("centre"), "doc")
        .join(centres, "centre", "left_semi")
        .distinct()
    )
    edges = _held(verify(pairs))
    decided = edges.select("doc").distinct().withColumn("near", F.lit(True))
    left = _held(
        led.join(centres.withColumnRenamed("centre", "doc"), "doc", "left_anti")
        .join(decided, "doc", "left")
        .select("bucket", "doc", "rank", (F.col("open") & F.col("near").isNull()).alias("open"))
    )
    led.unpersist()
    return _Round(edges, left)


def _held(frame: "DataFrame") -> "DataFrame":
    """The rows, computed, without how they came about, which would grow from round to round."""
    from pyspark import StorageLevel

    return frame.localCheckpoint(storageLevel=StorageLevel.MEMORY_AND_DISK_2)
