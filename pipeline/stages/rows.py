"""A stage's rows put in their places, each with its status, which is the last column."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import WinnowError


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
