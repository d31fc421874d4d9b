"""Planning a mixture on Spark: sums over radix bins of slim rows, no sort and no text."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.export.mixture_plan import MixturePlan
from pipeline.export.shards import Shard
from pipeline.io.beside import InForce, Place
from pipeline.io.digests import canonical_json
from pipeline.io.workspace import Workspace
from pipeline.select.bins import Plan, Summary
from pipeline.spark.frames import Batches, read_frame, told
from pipeline.spark.slim import SLIM, SelectionSource, prepared_rows, slim_rows
from pipeline.spark.tasks import Progress, described, run_tasks
from pipeline.spark.writing import Writing

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Outcome:
    """A plan, and how many documents and tokens each rule left."""

    plan: Plan
    funnel: tuple[tuple[str, int, int | None], ...]


class Selecting:
    """The eligible rows of one mixture, slim, kept by Spark while the plan is made."""

    def __init__(
        self, spark: "SparkSession", workspace: Workspace, plan: MixturePlan, progress: Progress
    ) -> None:
        self._spark, self._progress = spark, progress
        self._source = SelectionSource(workspace.store.root, plan)
        self._places = _places(workspace, plan)
        self._rows: DataFrame | None = None

    def __enter__(self) -> "Selecting":
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the rows."""
        if self._rows is not None:
            self._rows.unpersist()

    def plan(self) -> Outcome:
        """Sum over radix bins, refine each stratum's boundary bin, until every cut is exact."""
        selection = self._source.plan.selection
        funnel = self._funnel()
        rows = self._eligible()
        if selection.unique is not None:
            rows = _best_of_clusters(rows)
        self._rows = rows.persist()
        if selection.unique is not None:
            with described(self._spark, f"mixture {self._source.plan.name}: unique"):
                counts = self._rows.selectExpr("count(*) n", "sum(n_tokens) t").first()
            assert counts is not None
            funnel.append((f"unique {selection.unique}", counts.n, counts.t))
        focus = selection.start()
        while True:
            summary = self._summary(focus)
            step = selection.refine(summary, focus)
            if isinstance(step, Plan):
                return Outcome(step, tuple(funnel))
            focus = step

    def _funnel(self) -> list[tuple[str, int, int | None]]:
        """Documents and tokens left after each rule, summed over the parts."""
        source = self._source

        def count(place: Place) -> list[tuple[str, int, int]]:
            total: list[tuple[str, int, int]] = []
            for _, batch in source.read(place, source.plan.selection.columns):
                _, left = source.plan.selection.prepare(batch)
                total = _added(total, left)
            return total

        sizes = [place.part.rows for place in self._places]
        label = f"select {source.plan.name}"
        counts = run_tasks(self._spark, label, count, self._places, sizes, self._progress)
        total = [(rule, 0, 0) for rule in source.plan.selection.rules()]
        for left in counts:
            total = _added(total, left)
        counted = source.plan.tokens_column is not None
        return [(rule, documents, tokens if counted else None) for rule, documents, tokens in total]

    def _eligible(self) -> "DataFrame":
        source = self._source

        def rows(item: str) -> Iterator[pa.RecordBatch]:
            place = Place.restored(item)
            for start, batch in source.read(place, source.plan.selection.columns):
                prepared, _ = source.plan.selection.prepare(batch)
                yield slim_rows(prepared, place.number, start)

        items = [place.told() for place in self._places]
        return read_frame(self._spark, items, rows, SLIM)

    def _summary(self, focus: Any) -> Summary:
        selection = self._source.plan.selection
        assert self._rows is not None

        def summarise(batches: Batches) -> Iterator[str]:
            total = Summary()
            for batch in batches:
                total = total + selection.summarise(prepared_rows(batch), focus)
            yield canonical_json(total.to_json())

        parts = told(self._rows, f"mixture {self._source.plan.name}: sums", summarise)
        return sum((Summary.from_json(json.loads(text)) for text in parts), Summary())

    def write(self, plan: Plan) -> list[Shard]:
        """The shards of what the plan keeps."""
        assert self._rows is not None
        return Writing(self._spark, self._source, self._places, self._rows).write(plan)


def _places(workspace: Workspace, plan: MixturePlan) -> list[Place]:
    """Every part with the columns that the mixture uses beside it."""
    names = {address.stage for address in plan.addresses.values() if address.stage}
    records = {name: workspace.stage(name) for name in names}
    return [
        Place(
            number,
            part,
            {
                name: InForce(record.fingerprint, found.key, found.digest)
                for name, record in records.items()
                if record and (found := record.parts.get(part.part))
            },
        )
        for number, part in enumerate(workspace.documents())
    ]


def _added(
    total: list[tuple[str, int, int]], more: Sequence[tuple[str, int, int]]
) -> list[tuple[str, int, int]]:
    if not total or not more:
        return list(total or more)
    return [(r, d + d2, t + t2) for (r, d, t), (_, d2, t2) in zip(total, more, strict=True)]


def _best_of_clusters(rows: "DataFrame") -> "DataFrame":
    """Of each cluster the best score, then the longer text, then the smaller id."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    order = Window.partitionBy("cluster").orderBy(
        F.col("score_bits").desc(), F.col("n_bytes").desc(), F.col("id")
    )
    return rows.withColumn("place", F.row_number().over(order)).where("place = 1").drop("place")
