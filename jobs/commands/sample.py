"""`winnow sample`: documents at each level or quantile of a column, to read what it means."""

import argparse
import heapq

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.columns import WorkspaceColumns, open_columns
from jobs.console import first_words, shown
from pipeline.select.samplers import draws
from schemas.errors import ConfigurationError

LEVELS = 30
"""A column with more values than this is shown at its quantiles."""


def sample(arguments: argparse.Namespace) -> int:
    """Print documents, the lowest values first; the choice depends on the ids alone."""
    if arguments.n < 1:
        raise ConfigurationError(f"-n {arguments.n}: should be 1 or more")
    columns = open_columns(arguments.workspace)
    by = columns.find(arguments.by)
    if pa.types.is_nested(columns.fields[by].type) or by in ("text", "metadata"):
        raise ConfigurationError(f"--by {by}: name a column of numbers, strings or true and false")
    values = _values(columns, by)
    counts = {row["values"]: row["counts"] for row in values.value_counts().to_pylist()}
    print(f"{by}: {len(values):,} documents, {counts.pop(None, 0):,} of them null")
    if len(counts) <= LEVELS or not _is_number(values.type):
        # Of many levels the most frequent ones, in their own order.
        often = sorted(counts, key=lambda level: (-counts[level], str(level)))[: arguments.n]
        levels = sorted(often, key=str) if isinstance(next(iter(often), 0), str) else sorted(often)
        chosen = _at_levels(columns, by, arguments.n, levels)
    else:
        counts = {}
        numbers = np.sort(values.drop_null().cast(pa.float64()).to_numpy())
        marks = np.quantile(numbers, np.linspace(0, 1, arguments.n), method="nearest")
        chosen = _nearest(columns, by, list(dict.fromkeys(marks.tolist())))
    before = object()
    for value, name, text in chosen:
        if value in counts and value != before:
            before = value
            print(f"{by} = {shown(value)} ({counts[value]:,} documents)")
        print(f"{shown(value):>12}  {name}  {first_words(text)}")
    return 0


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _values(columns: WorkspaceColumns, by: str) -> pa.ChunkedArray:
    found = [b.column(by) for part in columns.parts for _, b in columns.read([by], part)]
    return pa.chunked_array(found, columns.fields[by].type)


def _at_levels(
    columns: WorkspaceColumns, by: str, n: int, levels: list[object]
) -> list[tuple[object, str, str]]:
    """Documents of each level: those with the smallest hash of their id."""
    each = max(1, n // max(1, len(levels)))
    best: dict[object, list[tuple[int, str, str]]] = {level: [] for level in levels}
    for part in columns.parts:
        for _, batch in columns.read([by, "id", "text"], part):
            places = draws(0, "sample", batch.column("id")).tolist()
            for level in levels:
                for row in pc.indices_nonzero(pc.equal(batch.column(by), level)).to_pylist():
                    entry = (-places[row], batch["id"][row].as_py(), batch["text"][row].as_py())
                    if len(best[level]) < each:
                        heapq.heappush(best[level], (entry[0], entry[1], entry[2][:1000]))
                    elif entry[0] > best[level][0][0]:
                        heapq.heapreplace(best[level], (entry[0], entry[1], entry[2][:1000]))
    return [(level, name, text) for level in levels for _, name, text in sorted(best[level])]


def _nearest(
    columns: WorkspaceColumns, by: str, marks: list[float]
) -> list[tuple[object, str, str]]:
    """For each mark the first document that has this value."""
    left = dict.fromkeys(marks)
    found: dict[float, tuple[object, str, str]] = {}
    for part in columns.parts:
        for _, batch in columns.read([by, "id", "text"], part):
            values = batch.column(by).cast(pa.float64()).to_pylist()
            for row, value in enumerate(values):
                if value in left and value not in found:
                    found[value] = (value, batch["id"][row].as_py(), batch["text"][row].as_py())
    return [found[mark] for mark in marks if mark in found]
