"""Near duplicates on Spark: candidates from band hashes, verified by the texts' shingles."""

import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.beside import Address, BesideReader, Place
from pipeline.spark.frames import Batches, by_place, gathered, slices
from pipeline.spark.stars import crowded, stars
from pipeline.stages.fuzzy_dedup import FuzzyDedup, utf8

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_TEXT = {"text": Address(None, "text")}
_SETS = pa.schema(
    [
        pa.field("centre", pa.int64()),
        pa.field("doc", pa.int64()),
        pa.field("shingles", pa.binary()),
    ]
)
_EDGES = pa.schema(
    [
        pa.field("centre", pa.int64()),
        pa.field("doc", pa.int64()),
        pa.field("similarity", pa.float64()),
    ]
)
_BATCH_BYTES = 8 << 20
"""So many bytes of shingles go to Spark at once."""


def near_duplicates(
    spark: "SparkSession",
    workspace: str,
    stage: FuzzyDedup,
    places: Sequence[Place],
    rows: "DataFrame",
) -> "DataFrame":
    """Part, row and the stage's columns of every document that is not alone."""
    from pyspark.sql import functions as F

    doc = F.shiftleft(F.col("part"), 32) + F.col("row")
    known = _with_kept(rows.withColumn("doc", doc)).persist()
    kept = known.where("id = kept_id")
    buckets = kept.select(
        "doc",
        F.struct((-F.col("n_bytes")).alias("size"), F.col("id"), F.col("doc")).alias("place"),
        F.explode("band_hashes").alias("bucket"),
    )
    verify = functools.partial(_verified, spark, workspace, stage, places)
    edges = stars(crowded(buckets), verify if stage.verified else _believed)
    if not edges:
        return _columns(known, None)
    return _columns(known, _clusters(functools.reduce(_union, edges), kept))


def _union(one: "DataFrame", other: "DataFrame") -> "DataFrame":
    return one.unionByName(other)


def _with_kept(rows: "DataFrame") -> "DataFrame":
    """Rows with `kept_id` and `copies`: of exact copies, the first id and how many there are."""
    from pyspark.sql import functions as F

    text = F.coalesce(F.col("exact_cluster_id"), F.col("id"))
    rows = rows.withColumn("same", text)
    copied = (
        rows.groupBy("same")
        .agg(F.min("id").alias("first"), F.count("*").alias("copies"))
        .where("copies > 1 or first <> same")
    )
    return (
        rows.join(copied, "same", "left")
        .withColumn("kept_id", F.coalesce(F.col("first"), F.col("id")))
        .withColumn("copies", F.coalesce(F.col("copies"), F.lit(1)))
        .drop("same", "first", "exact_cluster_id")
    )


def _believed(pairs: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as F

    return pairs.withColumn("similarity", F.lit(None).cast("double"))


def _verified(
    spark: "SparkSession",
    workspace: str,
    stage: FuzzyDedup,
    places: Sequence[Place],
    pairs: "DataFrame",
) -> "DataFrame":
    """The pairs whose true Jaccard similarity is the threshold or more."""
    from pyspark.sql import functions as F
    from pyspark.sql.pandas.types import from_arrow_schema

    centres = pairs.select("centre").distinct().withColumn("doc", F.col("centre"))
    wanted = pairs.unionByName(centres).select(
        F.shiftrightunsigned(F.col("doc"), 32).alias("part"),
        F.col("doc").bitwiseAND(F.lit(0xFFFFFFFF)).alias("row"),
        "centre",
    )

    def read(batches: Batches) -> Batches:
        for place, table in by_place(batches):
            yield from _shingles(workspace, stage, place, table)

    def compare(batches: Batches) -> Batches:
        for batch in _similarities(batches):
            yield batch.filter(pc.greater_equal(batch["similarity"], stage.threshold))

    sets = gathered(spark, places, wanted).mapInArrow(read, from_arrow_schema(_SETS))
    return (
        sets.repartition(slices(spark, len(places)), "centre")
        .sortWithinPartitions("centre", F.col("doc") != F.col("centre"), "doc")
        .mapInArrow(compare, from_arrow_schema(_EDGES))
    )


def _shingles(workspace: str, stage: FuzzyDedup, place: Place, wanted: pa.Table) -> Batches:
    """The shingles of the wanted rows of a part, for each centre that they are compared with."""
    from pipeline.text.minhash import shingle_sets

    if not len(wanted):
        return
    rows = wanted.column("row").to_numpy()
    centres = wanted.column("centre").to_numpy()
    start = 0
    with BesideReader(workspace, place.part, {}) as reader:
        for group in range(reader.groups):
            end = start + reader.rows(group)
            first, last = np.searchsorted(rows, [start, end])
            if first < last:
                here, which = np.unique(rows[first:last] - start, return_inverse=True)
                texts = reader.read(group, _TEXT).column(0).take(pa.array(here))
                sets, bounds = shingle_sets(*utf8(texts), ngram=stage.ngram, shingle=stage.shingle)
                docs = (place.number << 32) + rows[first:last]
                yield from _batches(
                    centres[first:last], docs, sets, bounds[which], bounds[which + 1]
                )
            start = end


def _batches(
    centres: np.ndarray, docs: np.ndarray, sets: np.ndarray, begins: np.ndarray, ends: np.ndarray
) -> Batches:
    """Batches of a bounded size."""
    sums = np.cumsum((ends - begins) * 8)
    start = 0
    while start < len(docs):
        before = sums[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(sums, before + _BATCH_BYTES)))
        held = [
            sets[b:e].tobytes() for b, e in zip(begins[start:stop], ends[start:stop], strict=True)
        ]
        columns = [centres[start:stop], docs[start:stop], pa.array(held, pa.binary())]
        yield pa.RecordBatch.from_arrays([pa.array(c) for c in columns], schema=_SETS)
        start = stop


def _similarities(batches: Batches) -> Iterator[pa.RecordBatch]:
    """The Jaccard similarity of each row to its centre, whose own row comes first."""
    from pipeline.text.minhash import jaccard

    centre, held = -1, np.zeros(0, np.uint64)
    for batch in batches:
        found: list[tuple[int, int, float]] = []
        centres, docs = batch.column("centre").to_pylist(), batch.column("doc").to_pylist()
        for row, (of, doc) in enumerate(zip(centres, docs, strict=True)):
            shingles = np.frombuffer(batch.column("shingles")[row].as_buffer(), np.uint64)
            if of != centre:
                centre, held = of, shingles.copy()
            else:
                found.append((of, doc, jaccard(held, shingles)))
        columns = list(zip(*found, strict=True)) or [(), (), ()]
        arrays = [pa.array(c, f.type) for c, f in zip(columns, _EDGES, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=_EDGES)


def _clusters(edges: "DataFrame", kept: "DataFrame") -> "DataFrame":
    """Each kept document of a cluster: the centre's id, the cluster's id and size, similarity."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    named = kept.select("doc", "id", "copies")
    centres = named.select(F.col("doc").alias("centre"), F.col("id").alias("centre_id"))
    best = Window.partitionBy("doc").orderBy(F.col("similarity").desc(), "centre_id")
    members = (
        edges.join(centres, "centre")
        .withColumn("rank", F.row_number().over(best))
        .where("rank = 1")
        .select("doc", "centre_id", "similarity")
        .join(named, "doc")
    )
    heads = members.select("centre_id").distinct().join(named, F.col("centre_id") == F.col("id"))
    everyone = members.select("id", "copies", "centre_id", "similarity").unionByName(
        heads.select("id", "copies", "centre_id", F.lit(None).cast("double").alias("similarity"))
    )
    star = Window.partitionBy("centre_id")
    return everyone.select(
        F.col("id").alias("kept_id"),
        "centre_id",
        "similarity",
        F.min("id").over(star).alias("cluster_id"),
        F.sum("copies").over(star).alias("cluster_size"),
    )


def _columns(known: "DataFrame", clusters: "DataFrame | None") -> "DataFrame":
    """The columns of the documents that have a copy or are near another."""
    from pyspark.sql import functions as F

    if clusters is None:
        clusters = known.limit(0).select(
            "kept_id",
            F.col("id").alias("centre_id"),
            F.lit(None).cast("double").alias("similarity"),
            F.col("id").alias("cluster_id"),
            F.col("copies").alias("cluster_size"),
        )
    centre: Column = F.coalesce(F.col("centre_id"), F.col("kept_id"))
    is_copy = F.col("id") != centre
    return (
        known.join(clusters, "kept_id", "left")
        .where("centre_id is not null or copies > 1")
        .select(
            "part",
            "row",
            F.when(is_copy, centre).alias("duplicate_of"),
            F.coalesce(F.col("cluster_id"), F.col("kept_id")).alias("cluster_id"),
            F.coalesce(F.col("cluster_size"), F.col("copies")).alias("cluster_size"),
            F.when(
                is_copy,
                F.when(
                    F.col("centre_id").isNull() | (F.col("kept_id") == centre), F.lit(1.0)
                ).otherwise(F.col("similarity")),
            ).alias("similarity"),
        )
    )
