"""A stage's rows put in their places, each with its status, which is the last column."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.select.expressions import Expression
from schemas.errors import WinnowError


def admitted(where: Expression | None, read: Callable[[], pa.RecordBatch], rows: int) -> pa.Array:
    """Which of so many rows `where` admits: all without one, and none for which it is null."""
    if where is None:
        return pa.array([True] * rows, pa.bool_())
    return pc.fill_null(where.evaluate(read()), False)


@dataclass(frozen=True)
class Settled:
    """Rows whose values are known without measuring them, and the rows that are left."""

    pieces: tuple[pa.RecordBatch, ...]
    places: tuple[pa.Array, ...]
    missing: pa.Array
    """The numbers of the rows that are left, in order."""
    kept: int
    """How many rows have values of before."""

    def completed(self, measured: pa.RecordBatch, rows: int) -> pa.RecordBatch:
        """All rows, of which `measured` are those that were left."""
        schema = measured.schema
        return scatter([*self.pieces, measured], [*self.places, self.missing], rows, schema)


def settle(
    schema: pa.Schema,
    admitted: pa.Array,
    copies: pa.Array | None,
    earlier: Iterable[pa.RecordBatch],
) -> Settled:
    """What is known of rows of which some are admitted, some of those copies of other rows.

    `earlier` are the same rows as they were measured before. A copy is marked as `copied`: it gets
    its values elsewhere.
    """
    pieces, places = [], []
    if copies is not None:
        indices = pc.indices_nonzero(pc.and_(admitted, copies))
        admitted = pc.and_not(admitted, copies)
        nulls = [pa.nulls(len(indices), field.type) for field in list(schema)[:-1]]
        marks = pa.array(["copied"] * len(indices), pa.string())
        pieces.append(pa.RecordBatch.from_arrays([*nulls, marks], schema=schema))
        places.append(indices)
    kept = 0
    for batch in earlier:
        told = batch.column(schema.names[-1])
        measured = pc.invert(pc.is_in(told, value_set=pa.array(_UNMEASURED)))
        take = pc.and_(admitted, measured)
        admitted = pc.and_not(admitted, take)
        indices = pc.indices_nonzero(take)
        kept += len(indices)
        pieces.append(batch.take(indices).cast(schema))
        places.append(indices)
    return Settled(tuple(pieces), tuple(places), pc.indices_nonzero(admitted), kept)


_UNMEASURED = ("skipped", "copied")
"""The statuses of rows that have no values of their own."""


def complete(
    name: str,
    schema: pa.Schema,
    result: pa.RecordBatch | None,
    lost: Mapping[int, str],
    rows: int,
) -> pa.RecordBatch:
    """What a stage gave for the rows that are not lost, and nulls and the status of those."""
    *wanted, status = schema
    pieces, places = [], []
    survivors = [row for row in range(rows) if row not in lost]
    if result is not None and survivors:
        if len(result) != len(survivors):
            raise WinnowError(f"stage {name} gave {len(result)} rows for {len(survivors)}")
        told = "status" in result.schema.names
        statuses = result.column("status") if told else pa.array(["ok"] * len(result), status.type)
        arrays = [result.column(field.name).cast(field.type) for field in wanted]
        pieces.append(pa.RecordBatch.from_arrays([*arrays, statuses], schema=schema))
        places.append(pa.array(survivors, pa.uint64()))
    if lost:
        nulls = [pa.nulls(len(lost), field.type) for field in wanted]
        statuses = pa.array(list(lost.values()), status.type)
        pieces.append(pa.RecordBatch.from_arrays([*nulls, statuses], schema=schema))
        places.append(pa.array(list(lost), pa.uint64()))
    return scatter(pieces, places, rows, schema)


def empty(schema: pa.Schema) -> pa.RecordBatch:
    """No rows."""
    return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)


def scatter(
    pieces: Sequence[pa.RecordBatch], places: Sequence[pa.Array], rows: int, schema: pa.Schema
) -> pa.RecordBatch:
    """Rows in their places; where there is none, nulls and the status `skipped`."""
    if len(pieces) == 1 and len(pieces[0]) == rows:
        return pieces[0]
    table = pa.Table.from_batches(pieces, schema).combine_chunks()
    source = pa.nulls(rows, pa.int64())
    if len(table):
        place = pa.concat_arrays(places)
        mask = pc.is_in(pa.array(range(rows), pa.uint64()), value_set=place)
        source = pc.replace_with_mask(source, mask, pc.sort_indices(place).cast(pa.int64()))
    arrays = [pa.nulls(rows, field.type) for field in schema]
    if len(table):
        arrays = [column.combine_chunks().take(source) for column in table.columns]
    arrays[-1] = pc.fill_null(arrays[-1], "skipped")
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
