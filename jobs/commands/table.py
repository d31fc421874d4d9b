"""`winnow table`: columns joined to one file, a row group at a time."""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

import pyarrow as pa
import pyarrow.compute as pc

from jobs.columns import WorkspaceColumns, open_columns
from pipeline.select.expressions import compile_predicate
from schemas.errors import ConfigurationError


class _Sink(Protocol):
    def write(self, batch: pa.RecordBatch) -> None: ...

    def close(self) -> None: ...


def table(arguments: argparse.Namespace) -> int:
    """Write id, source and the columns; the file appears when it is complete."""
    output = Path(arguments.output)
    columns = open_columns(arguments.workspace)
    if arguments.columns:
        chosen = [columns.find(name.strip()) for name in arguments.columns.split(",")]
    else:
        chosen = [name for name in columns.addresses if name not in ("text", "metadata")]
    names = list(dict.fromkeys(["id", "source", *chosen]))
    schema = pa.schema([columns.fields[name] for name in names])
    aside = output.with_name(f".{output.name}.{os.getpid()}")
    sink = _open(output, aside, schema)
    rows = 0
    try:
        for batch in _rows(columns, names, arguments.where):
            sink.write(batch.cast(schema))
            rows += len(batch)
        sink.close()
        aside.replace(output)
    finally:
        aside.unlink(missing_ok=True)
    print(f"{output}: {rows:,} rows, {len(names)} columns")
    return 0


def _rows(
    columns: WorkspaceColumns, names: list[str], where: str | None
) -> Iterator[pa.RecordBatch]:
    predicate = compile_predicate(where, columns.fields) if where else None
    needed = list(dict.fromkeys([*names, *(predicate.columns if predicate else ())]))
    for part in columns.parts:
        for _, batch in columns.read(needed, part):
            if predicate is not None:
                batch = batch.filter(pc.fill_null(predicate.evaluate(batch), False))
            yield batch.select(names)


def _open(output: Path, aside: Path, schema: pa.Schema) -> _Sink:
    if output.suffix == ".parquet":
        import pyarrow.parquet as pq

        return cast("_Sink", pq.ParquetWriter(aside, schema, compression="zstd"))
    if output.suffix == ".csv":
        import pyarrow.csv

        return cast("_Sink", pyarrow.csv.CSVWriter(str(aside), schema))
    if output.suffix == ".jsonl":
        return _Jsonl(aside)
    raise ConfigurationError(f"-o {output}: the name should end in .parquet, .csv or .jsonl")


class _Jsonl:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write(self, batch: pa.RecordBatch) -> None:
        for row in batch.to_pylist():
            self._file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")

    def close(self) -> None:
        self._file.close()
