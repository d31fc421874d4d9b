"""A mixture on Spark: plan over slim columns, then the selected text moves once."""

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.export.lists import Manifest
from pipeline.export.manifest import build_manifest, load_manifest, write_manifest
from pipeline.export.shards import Shard, ShardWriter, cut_shards, mixture_schema, shard_of
from pipeline.io.beside import Address, BesideReader, InForce, Place
from pipeline.io.digests import canonical_json, combined, text_key
from pipeline.io.faults import fault
from pipeline.io.store import open_store
from pipeline.io.workspace import Workspace
from pipeline.select.plan import Plan, Selection, Summary
from pipeline.select.samplers import draws
from pipeline.spark.frames import Batches, by_place, gathered, read_frame, runs, told
from pipeline.spark.tasks import Progress, run_tasks

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SHARD_BYTES = 256 << 20
"""A shard holds about this many bytes of text."""

_SLIM = pa.schema(
    [
        pa.field("part", pa.int64()),
        pa.field("row", pa.int64()),
        pa.field("id", pa.string()),
        pa.field("stratum", pa.string()),
        pa.field("key", pa.int64()),
        pa.field("tie", pa.int64()),
        pa.field("score_bits", pa.int64()),
        pa.field("cost", pa.int64()),
        pa.field("n_tokens", pa.int64()),
        pa.field("n_bytes", pa.int64()),
        pa.field("cluster", pa.string()),
    ]
)
_UNSIGNED = ("key", "tie", "score_bits")
"""Kept by Spark as int64 with the top bit turned, which keeps their order."""

_KEPT = pa.schema(
    [
        pa.field("part", pa.int64()),
        pa.field("row", pa.int64()),
        pa.field("copy", pa.int32()),
        pa.field("order", pa.int64()),
        pa.field("n_tokens", pa.int64()),
        pa.field("n_bytes", pa.int64()),
    ]
)


@dataclass(frozen=True)
class MixturePlan:
    """A mixture of the configuration, with the place of every column that it uses."""

    name: str
    config: Mapping[str, Any]
    seed: int
    selection: Selection
    addresses: Mapping[str, Address]
    written: Mapping[str, pa.DataType]
    """Columns beside the fixed ones that its shards carry."""
    tokens_column: str | None
    tokenizer: Mapping[str, str] | None
    stages: tuple[str, ...]
    """Every stage of the configuration, in order."""


@dataclass
class MixtureFigures:
    """What became of a mixture in this run."""

    name: str
    made: bool
    manifest: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class _Source:
    """What every task of a selection knows."""

    workspace: str
    plan: MixturePlan

    def read(self, place: Place, names: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The first row of each row group, and its columns."""
        addresses = {name: self.plan.addresses[name] for name in names}
        start = 0
        with BesideReader(self.workspace, place.part, place.columns) as reader:
            for group in range(reader.groups):
                batch = reader.read(group, addresses)
                yield start, batch
                start += len(batch)


def _signed(values: np.ndarray) -> np.ndarray:
    return (values ^ np.uint64(1 << 63)).view(np.int64)


def _unsigned(values: np.ndarray) -> np.ndarray:
    return values.view(np.uint64) ^ np.uint64(1 << 63)


def make_mixture(
    workspace: Workspace,
    plan: MixturePlan,
    session: Callable[[], "SparkSession"],
    progress: Progress,
) -> MixtureFigures:
    """Select and write a mixture, unless one is there that was made of the same things."""
    began = time.monotonic()
    identity = _identity(workspace, plan)
    record = f"mixtures/_made/{plan.name}/{identity}.json"
    manifest = f"mixtures/{plan.name}/manifest.json"
    store = workspace.store
    if store.exists(record) and store.exists(manifest):
        there = store.read(manifest)
        if json.loads(store.read(record))["manifest"] == text_key(there.decode()):
            return MixtureFigures(plan.name, False, load_manifest(store, f"mixtures/{plan.name}"))
    with Selecting(session(), workspace, plan, progress) as selecting:
        outcome = selecting.plan()
        shards = selecting.write(outcome)
    built = _manifest(workspace, plan, outcome, shards)
    content = write_manifest(store, f"mixtures/{plan.name}", built)
    fault("write.record.before")
    store.replace(record, canonical_json({"manifest": text_key(content)}).encode())
    fault("write.record.after")
    return MixtureFigures(plan.name, True, built, time.monotonic() - began)


def plan_mixture(
    workspace: Workspace,
    plan: MixturePlan,
    session: Callable[[], "SparkSession"],
    progress: Progress,
) -> Manifest:
    """The manifest that the mixture would have, without shards; nothing is written."""
    with Selecting(session(), workspace, plan, progress) as selecting:
        return _manifest(workspace, plan, selecting.plan(), [])


def _manifest(
    workspace: Workspace, plan: MixturePlan, outcome: "Outcome", shards: Sequence[Shard]
) -> Manifest:
    return build_manifest(
        workspace,
        plan.stages,
        plan.name,
        plan.config,
        plan.seed,
        plan.tokenizer,
        outcome.funnel,
        outcome.plan,
        plan.tokens_column,
        shards,
    )


def _identity(workspace: Workspace, plan: MixturePlan) -> str:
    stages = [workspace.stage(name) for name in plan.stages]
    return combined(
        [
            canonical_json([plan.config, plan.seed, plan.tokenizer]),
            *(f"{part.part} {part.digest}" for part in workspace.documents()),
            *(f"{record.stage} {record.digest}" for record in stages if record),
        ]
    )


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
        self._source = _Source(workspace.store.root, plan)
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
        total: list[tuple[str, int, int]] = []
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
                yield _slim(prepared, place.number, start)

        items = [place.told() for place in self._places]
        return read_frame(self._spark, items, rows, _SLIM)

    def _summary(self, focus: Any) -> Summary:
        selection = self._source.plan.selection
        assert self._rows is not None

        def summarise(batches: Batches) -> Iterator[str]:
            total = Summary()
            for batch in batches:
                total = total + selection.summarise(_prepared(batch), focus)
            yield canonical_json(total.to_json())

        parts = told(self._rows, summarise)
        return sum((Summary.from_json(json.loads(text)) for text in parts), Summary())

    def write(self, outcome: Outcome) -> list[Shard]:
        """Fetch the selected text, order it by hash, and cut it into shards."""
        kept = self._kept(outcome.plan).persist()
        try:
            boundaries = self._boundaries(kept)
            if boundaries is None:
                return []
            return self._shards(kept, boundaries)
        finally:
            kept.unpersist()

    def _kept(self, plan: Plan) -> "DataFrame":
        from pyspark.sql.pandas.types import from_arrow_schema

        selection, seed = self._source.plan.selection, self._source.plan.seed

        def keep(batches: Batches) -> Batches:
            for batch in batches:
                copies = selection.keep(_prepared(batch), plan)
                for copy in range(int(copies.max(initial=0))):
                    chosen = batch.filter(pa.array(copies > copy))
                    order = _signed(draws(seed, f"order {copy}", chosen.column("id")))
                    yield pa.RecordBatch.from_arrays(
                        [
                            chosen.column("part"),
                            chosen.column("row"),
                            pa.array(np.full(len(chosen), copy, np.int32)),
                            pa.array(order),
                            chosen.column("n_tokens"),
                            chosen.column("n_bytes"),
                        ],
                        schema=_KEPT,
                    )

        assert self._rows is not None
        return self._rows.mapInArrow(keep, from_arrow_schema(_KEPT))

    def _boundaries(self, kept: "DataFrame") -> list[int] | None:
        def histogram(batches: Batches) -> Iterator[str]:
            total = np.zeros(1 << 16, np.int64)
            for batch in batches:
                order = _unsigned(batch.column("order").to_numpy())
                sizes = batch.column("n_bytes").to_numpy()
                np.add.at(total, (order >> np.uint64(48)).astype(np.int64), sizes)
            places = np.flatnonzero(total)
            yield json.dumps([places.tolist(), total[places].tolist()])

        total = np.zeros(1 << 16, np.int64)
        for text in told(kept, histogram):
            places, sizes = json.loads(text)
            total[places] += np.array(sizes, np.int64)
        return None if not total.any() else cut_shards(total, SHARD_BYTES)

    def _shards(self, kept: "DataFrame", boundaries: Sequence[int]) -> list[Shard]:
        from pyspark.sql.pandas.types import from_arrow_schema

        source = self._source
        schema = mixture_schema(source.plan.written)
        carried = pa.schema([pa.field("shard", pa.int64()), pa.field("order", pa.int64()), *schema])
        fetched = gathered(self._spark, self._places, kept).mapInArrow(
            _fetch(source, boundaries, carried), from_arrow_schema(carried)
        )
        count = len(boundaries) + 1
        ordered = fetched.repartition(count, "shard").sortWithinPartitions(
            "shard", "order", "id", "copy"
        )
        folder = f"mixtures/{source.plan.name}"

        def write(batches: Batches) -> Iterator[str]:
            store = open_store(source.workspace)
            for number, run in itertools.groupby(runs(batches), key=lambda item: item[0]):
                with ShardWriter(store, folder, int(str(number)), schema) as writer:
                    for _, batch in run:
                        writer.write(batch.select(schema.names).cast(schema))
                    yield canonical_json(writer.commit().to_json())

        shards = [Shard(**json.loads(text)) for text in told(ordered, write)]
        return sorted(shards, key=lambda shard: shard.path)


def _added(
    total: list[tuple[str, int, int]], more: Sequence[tuple[str, int, int]]
) -> list[tuple[str, int, int]]:
    if not total:
        return list(more)
    return [(r, d + d2, t + t2) for (r, d, t), (_, d2, t2) in zip(total, more, strict=True)]


def _slim(prepared: pa.RecordBatch, part: int, start: int) -> pa.RecordBatch:
    columns: dict[str, pa.Array] = {
        "part": pa.array(np.full(len(prepared), part, np.int64)),
        "row": pc.add(prepared.column("row"), start),
    }
    for name in _SLIM.names[2:]:
        column = prepared.column(name)
        columns[name] = pa.array(_signed(column.to_numpy())) if name in _UNSIGNED else column
    return pa.RecordBatch.from_arrays(
        [columns[n].cast(_SLIM.field(n).type) for n in _SLIM.names], schema=_SLIM
    )


def _prepared(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows as the selection knows them: keys unsigned again."""
    arrays = [
        pa.array(_unsigned(batch.column(name).to_numpy()))
        if name in _UNSIGNED
        else batch.column(name)
        for name in batch.schema.names
    ]
    return pa.RecordBatch.from_arrays(arrays, batch.schema.names)


def _best_of_clusters(rows: "DataFrame") -> "DataFrame":
    """Of each cluster the best score, then the longer text, then the smaller id."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    order = Window.partitionBy("cluster").orderBy(
        F.col("score_bits").desc(), F.col("n_bytes").desc(), F.col("id")
    )
    return rows.withColumn("place", F.row_number().over(order)).where("place = 1").drop("place")


def _fetch(
    source: _Source, boundaries: Sequence[int], schema: pa.Schema
) -> Callable[[Batches], Batches]:
    """Reads the text of the rows that are kept, part by part, row group by row group."""
    names = [name for name in schema.names if name not in ("shard", "order", "copy", "n_tokens")]

    def fetch(batches: Batches) -> Batches:
        for place, wanted in by_place(batches):
            for start, batch in source.read(place, names) if len(wanted) else ():
                rows = wanted.column("row").combine_chunks()
                inside = pc.and_(pc.greater_equal(rows, start), pc.less(rows, start + len(batch)))
                here = wanted.filter(inside).combine_chunks()
                if not len(here):
                    continue
                taken = batch.take(pc.subtract(here.column("row"), start).combine_chunks())
                order = here.column("order").combine_chunks()
                shard = shard_of(_unsigned(order.to_numpy()), boundaries)
                columns = {name: taken.column(name) for name in names}
                columns |= {"shard": pa.array(shard, pa.int64()), "order": order}
                columns |= {n: here.column(n).combine_chunks() for n in ("copy", "n_tokens")}
                arrays = [columns[f.name].cast(f.type) for f in schema]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return fetch
