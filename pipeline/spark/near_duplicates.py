"""Near duplicates on Spark: candidates from band hashes, verified by the texts' shingles."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.beside import Address, BesideReader, Place
from pipeline.spark import stars
from pipeline.spark.frames import Batches, by_place, gathered, slices
from pipeline.spark.greedy import CANDIDATES, EDGES, greedy_stars
from pipeline.stages.fuzzy_dedup import FuzzyDedup
from pipeline.stages.texts import utf8

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
        F.struct((-F.col("n_bytes")).alias("size"), F.col("id"), F.col("doc")).alias("rank"),
        F.explode("band_hashes").alias("bucket"),
    )
    verification = _Verification(spark, workspace, stage, places)
    small = stars.SMALL_BYTES
    if str(spark.sparkContext.master).startswith("local"):
        small = stars.SMALL_BYTES_HERE
    rows = stars.crowded(buckets)
    edges = stars.stars(rows, verification.verify, verification.decide, small)
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


@dataclass(frozen=True)
class _Verification:
    """Compares documents by the shingles of their texts, which are read where they lie."""

    spark: "SparkSession"
    workspace: str
    stage: FuzzyDedup
    places: Sequence[Place]

    def verify(self, pairs: "DataFrame") -> "DataFrame":
        """The pairs whose true Jaccard similarity is the threshold or more."""
        from pyspark.sql import functions as F
        from pyspark.sql.pandas.types import from_arrow_schema

        if not self.stage.verified:
            return pairs.withColumn("similarity", F.lit(None).cast("double"))
        threshold = self.stage.threshold

        def compare(batches: Batches) -> Batches:
            for batch in _similarities(batches):
                yield batch.filter(pc.greater_equal(batch["similarity"], threshold))

        centres = pairs.select("centre").distinct().withColumn("doc", F.col("centre"))
        sets = self._with_shingles(pairs.unionByName(centres).select("centre", "doc"), _SETS)
        return (
            sets.repartition(slices(self.spark, len(self.places)), "centre")
            .sortWithinPartitions("centre", F.col("doc") != F.col("centre"), "doc")
            .mapInArrow(compare, from_arrow_schema(EDGES))
        )

    def decide(self, candidates: "DataFrame") -> "DataFrame":
        """All edges of the candidates, decided in one task."""
        from pyspark.sql import functions as F
        from pyspark.sql.pandas.types import from_arrow_schema

        threshold = self.stage.threshold if self.stage.verified else None

        def solve(batches: Batches) -> Batches:
            yield from greedy_stars(batches, threshold)

        rows = candidates.select("doc", "rank.size", "rank.id", "open", "buckets")
        if threshold is None:
            rows = rows.withColumn("shingles", F.lit(None).cast("binary"))
        else:
            rows = self._with_shingles(rows, CANDIDATES)
        return rows.repartition(1).mapInArrow(solve, from_arrow_schema(EDGES))

    def _with_shingles(self, rows: "DataFrame", schema: pa.Schema) -> "DataFrame":
        """Rows of `doc` and more, with the document's shingles as the last column."""
        from pyspark.sql import functions as F
        from pyspark.sql.pandas.types import from_arrow_schema

        workspace, stage = self.workspace, self.stage

        def read(batches: Batches) -> Batches:
            for place, table in by_place(batches):
                yield from _shingles(workspace, stage, place, table, schema)

        addressed = rows.select(
            F.shiftrightunsigned(F.col("doc"), 32).alias("part"),
            F.col("doc").bitwiseAND(F.lit(0xFFFFFFFF)).alias("row"),
            "*",
        )
        found = gathered(self.spark, self.places, addressed)
        return found.mapInArrow(read, from_arrow_schema(schema))


def _shingles(
    workspace: str, stage: FuzzyDedup, place: Place, wanted: pa.Table, schema: pa.Schema
) -> Batches:
    """The wanted rows of a part, in batches of a bounded size, with their shingles."""
    from pipeline.text.shingles import shingle_sets

    rows = wanted.column("row").to_numpy()
    start = 0
    with BesideReader(workspace, place.part, {}) as reader:
        for group in range(reader.groups if len(rows) else 0):
            end = start + reader.rows(group)
            first, last = np.searchsorted(rows, [start, end])
            if first < last:
                here, which = np.unique(rows[first:last] - start, return_inverse=True)
                texts = reader.read(group, _TEXT).column(0).take(pa.array(here))
                sets, bounds = shingle_sets(*utf8(texts), stage.shingling)
                held = [sets[bounds[i] : bounds[i + 1]] for i in which]
                yield from _batches(wanted.slice(first, last - first), held, schema)
            start = end


def _batches(rows: pa.Table, sets: Sequence[np.ndarray], schema: pa.Schema) -> Batches:
    sums = np.cumsum([held.nbytes for held in sets])
    start = 0
    while start < len(sets):
        before = sums[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(sums, before + _BATCH_BYTES)))
        shingles = pa.array([held.tobytes() for held in sets[start:stop]], pa.binary())
        piece = rows.slice(start, stop - start).combine_chunks()
        arrays = [_flat(piece.column(name)) for name in schema.names[:-1]]
        yield pa.RecordBatch.from_arrays([*arrays, shingles], schema=schema)
        start = stop


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _similarities(batches: Batches) -> Iterator[pa.RecordBatch]:
    """The Jaccard similarity of each row to its centre, whose own row comes first."""
    from pipeline.text.shingles import jaccard

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
        arrays = [pa.array(c, f.type) for c, f in zip(columns, EDGES, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=EDGES)


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
