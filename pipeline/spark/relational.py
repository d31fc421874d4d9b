"""Relational stages: Spark over slim columns, whose results go back beside their documents."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.beside import Address, BesideReader, Place
from pipeline.io.digests import canonical_json
from pipeline.io.parts import PartWriter, find_footer
from pipeline.io.store import open_store
from pipeline.io.workspace import ColumnsPart, columns_path
from pipeline.select.expressions import compile_predicate
from pipeline.spark.frames import Batches, by_place, gathered, read_frame, told
from pipeline.spark.tasks import described
from pipeline.stages.base import RelationalStage
from pipeline.stages.columns_from import ColumnsFrom, table_batches, table_files
from pipeline.stages.copied import COPY_OF, Copied
from pipeline.stages.dsir import Dsir
from pipeline.stages.exact_dedup import ExactDedup
from pipeline.stages.fuzzy_dedup import FuzzyDedup
from pipeline.stages.sweep import Measured
from schemas.errors import WinnowError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_ID = {"id": Address(None, "id")}
_TEXT = {"text": Address(None, "text")}


@dataclass(frozen=True)
class RelationalWork:
    """A relational stage as its tasks need it."""

    workspace: str
    name: str
    stage: RelationalStage
    fingerprint: str
    key: str
    reads: Mapping[str, Address]
    where: str | None = None
    where_reads: Mapping[str, Address] = field(default_factory=dict)
    where_fields: Mapping[str, pa.Field] = field(default_factory=dict)


def admitted(work: RelationalWork, reader: BesideReader, group: int) -> pa.Array | None:
    """The rows of a row group that the stage's `where` admits; None for all."""
    if work.where is None:
        return None
    predicate = compile_predicate(work.where, work.where_fields)
    return pc.fill_null(predicate.evaluate(reader.read(group, work.where_reads)), False)


def _texts(work: RelationalWork) -> Callable[[Place], Iterator[tuple[pa.Array, pa.Array]]]:
    """Reads the texts of a part that the stage's `where` admits, each after its row's number."""

    def read(place: Place) -> Iterator[tuple[pa.Array, pa.Array]]:
        start = 0
        with BesideReader(work.workspace, place.part, place.columns) as reader:
            for group in range(reader.groups):
                texts = reader.read(group, _TEXT).column(0)
                rows = pa.array(range(start, start + len(texts)), pa.int64())
                start += len(texts)
                mask = admitted(work, reader, group)
                yield (rows, texts) if mask is None else (rows.filter(mask), texts.filter(mask))

    return read


def _slim(
    spark: "SparkSession", work: RelationalWork, places: Sequence[Place], schema: pa.Schema
) -> "DataFrame":
    def rows(item: str) -> Iterator[pa.RecordBatch]:
        place = Place.restored(item)
        start = 0
        with BesideReader(work.workspace, place.part, place.columns) as reader:
            for group in range(reader.groups):
                batch = reader.read(group, work.reads)
                numbers = pa.array(range(start, start + len(batch)), pa.int64())
                start += len(batch)
                part = pa.array([place.number] * len(batch), pa.int64())
                whole = pa.RecordBatch.from_arrays([part, numbers, *batch.columns], schema=schema)
                mask = admitted(work, reader, group)
                yield whole if mask is None else whole.filter(mask)

    return read_frame(spark, [place.told() for place in places], rows, schema)


def run_relational(
    spark: "SparkSession",
    work: RelationalWork,
    places: Sequence[Place],
    fields: Mapping[str, pa.DataType],
) -> list[Measured]:
    """Relate the rows, then write each part's columns beside its documents."""
    addresses = [pa.field("part", pa.int64()), pa.field("row", pa.int64())]
    schema = pa.schema([*addresses, *(pa.field(n, fields[n]) for n in work.reads)])
    relation = RELATIONS[type(work.stage)]
    with described(spark, f"relate {work.name}"):
        related = relation(spark, work, places, _slim(spark, work, places, schema))
        rows = gathered(spark, places, related.select("part", "row", *work.stage.schema().names))
    return [
        _measured(json.loads(text))
        for text in told(rows, f"relate {work.name}: write", _write_all(work))
    ]


def _measured(outcome: dict[str, Any]) -> Measured:
    return Measured(**{**outcome, "part": ColumnsPart(**outcome["part"])})


def _write_all(work: RelationalWork) -> Callable[[Batches], Iterator[str]]:
    def write(batches: Batches) -> Iterator[str]:
        for place, found in by_place(batches):
            yield _write_part(work, place, found)

    return write


def _write_part(work: RelationalWork, place: Place, found: pa.Table) -> str:
    """Write one part's columns: the related rows, the defaults elsewhere, null outside `where`."""
    part = place.part
    store = open_store(work.workspace)
    path = columns_path(work.name, work.fingerprint, part.part, work.key)
    made = False
    footer = find_footer(store, path)
    if footer is None:
        schema = work.stage.schema()
        with (
            BesideReader(work.workspace, place.part, place.columns) as reader,
            PartWriter(store, path, schema) as writer,
        ):
            start = 0
            statuses = Counter({"ok": 0, "skipped": 0})
            for group in range(reader.groups):
                inside = admitted(work, reader, group)
                batch = _complete(work, reader, group, inside, found, start)
                writer.write(batch, reader.read(group, _ID).column(0))
                start += len(batch)
                if (name := work.stage.status_column) is not None:
                    statuses.update(batch.column(name).to_pylist())
                    continue
                measured = len(batch) if inside is None else pc.sum(inside).as_py() or 0
                statuses.update(ok=measured, skipped=len(batch) - measured)
            footer, made = writer.commit({"status": dict(statuses)}, "relational.part")
    statistics = canonical_json(footer.statistics)
    column = ColumnsPart(part.part, work.key, footer.rows, footer.bytes, footer.digest, statistics)
    fields = {name: getattr(column, name) for name in ColumnsPart.__slots__}
    outcome = {
        "stage": work.name,
        "part": fields,
        "computed": footer.rows if made else 0,
        "kept": 0,
        "made": made,
    }
    return canonical_json(outcome)


def _complete(
    work: RelationalWork,
    reader: BesideReader,
    group: int,
    inside: pa.Array | None,
    found: pa.Table,
    start: int,
) -> pa.RecordBatch:
    """The columns of one row group, of which `inside` are related; None for all."""
    rows = reader.rows(group)
    here = found.filter(
        pc.and_(
            pc.greater_equal(found.column("row"), start), pc.less(found.column("row"), start + rows)
        )
    ).combine_chunks()
    related = _flat(here, "row").to_numpy() - start
    source = np.arange(rows)
    source[related] = rows + np.arange(len(related))
    arrays = []
    for item in work.stage.schema():
        column = _default(work, reader, group, item)
        if inside is not None:
            known = item.name == work.stage.status_column
            outside = pa.scalar("skipped" if known else None, item.type)
            column = pc.if_else(inside, column, outside)
        # replace_with_mask knows no lists.
        values = _flat(here, item.name).cast(item.type)
        arrays.append(pa.concat_arrays([column, values]).take(source))
    return pa.RecordBatch.from_arrays(arrays, schema=work.stage.schema())


def _default(work: RelationalWork, reader: BesideReader, group: int, item: pa.Field) -> pa.Array:
    """A column as it is where the relation leaves the rows out."""
    stage = work.stage
    if stage.keeps_map_half:
        return reader.read(group, {"": work.reads[item.name]}).column(0).cast(item.type)
    if item.name in stage.defaults:
        found = reader.read(group, {"": Address(None, stage.defaults[item.name])}).column(0)
        return found.cast(item.type)
    rows = reader.rows(group)
    if item.name in stage.constants:
        return pa.repeat(pa.scalar(stage.constants[item.name], item.type), rows)
    return pa.nulls(rows, item.type)


def _flat(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.combine_chunks() if column.num_chunks else pa.array([], column.type)


def _exact_dedup(
    spark: "SparkSession", work: RelationalWork, places: Sequence[Place], rows: "DataFrame"
) -> "DataFrame":
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    copies = Window.partitionBy("text_hash")
    kept = F.col("exact_cluster_id")
    return (
        rows.withColumn("exact_cluster_id", F.min("id").over(copies))
        .withColumn("n_copies", F.count("*").over(copies))
        .where("n_copies > 1")
        .withColumn("exact_duplicate_of", F.when(F.col("id") != kept, kept))
    )


def _fuzzy_dedup(
    spark: "SparkSession", work: RelationalWork, places: Sequence[Place], rows: "DataFrame"
) -> "DataFrame":
    from pipeline.spark.near_duplicates import near_duplicates

    assert isinstance(work.stage, FuzzyDedup)
    return near_duplicates(spark, work.workspace, work.stage, places, rows)


def _columns_from(
    spark: "SparkSession", work: RelationalWork, places: Sequence[Place], rows: "DataFrame"
) -> "DataFrame":
    from pyspark.sql import functions as F

    stage = work.stage
    assert isinstance(stage, ColumnsFrom)
    files = table_files(stage.path)
    schema = pa.schema([pa.field("table_key", pa.string()), *stage.schema()])

    def read(file: str) -> Iterator[pa.RecordBatch]:
        for batch in table_batches(file, stage.key):
            arrays = [batch.column(name) for name in (stage.key, *stage.columns)]
            cast = [a.cast(f.type) for a, f in zip(arrays, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(cast, schema=schema)

    table = read_frame(spark, files, read, schema).where("table_key is not null")
    twice = table.groupBy("table_key").count().where("count > 1").limit(1).collect()
    if twice:
        raise WinnowError(
            f"stage {work.name}: {stage.path} has {twice[0]['count']} rows for "
            f"{stage.key} {twice[0]['table_key']!r}; leave one"
        )
    return rows.join(table, F.col(stage.key) == F.col("table_key"), "inner")


def _dsir(
    spark: "SparkSession", work: RelationalWork, places: Sequence[Place], rows: "DataFrame"
) -> "DataFrame":
    from pipeline.spark.importance import importance_weights

    assert isinstance(work.stage, Dsir)
    return importance_weights(spark, work.stage, places, _texts(work))


def _copied(
    spark: "SparkSession", work: RelationalWork, places: Sequence[Place], rows: "DataFrame"
) -> "DataFrame":
    from pyspark.sql import functions as F

    assert isinstance(work.stage, Copied)
    told = F.col(work.stage.status_column)
    copies = rows.where(told == "copied").select("part", "row", F.col(COPY_OF).alias("id"))
    kept = rows.where(f"{COPY_OF} is null").select("id", *work.stage.schema().names)
    found = F.when(told == "ok", "copied").otherwise(told)
    return copies.join(kept, "id").withColumn(work.stage.status_column, found)


RELATIONS: dict[
    type[RelationalStage],
    Callable[["SparkSession", RelationalWork, Sequence[Place], "DataFrame"], "DataFrame"],
] = {
    ExactDedup: _exact_dedup,
    FuzzyDedup: _fuzzy_dedup,
    ColumnsFrom: _columns_from,
    Copied: _copied,
    Dsir: _dsir,
}
"""The relation of each relational stage: slim rows in; part, row and the stage's columns out."""
