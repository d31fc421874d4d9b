"""`winnow sample`: documents at each level or quantile of a column, to read what it means."""

import argparse
import heapq

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.columns import WorkspaceColumns, open_columns
from jobs.console import printable
from pipeline.select.samplers import draws

LEVELS = 30
"""A column with more values than this is shown at its quantiles."""


def sample(arguments: argparse.Namespace) -> int:
    """Print documents, the lowest values first; the choice depends on the ids alone."""
    columns = open_columns(arguments.workspace)
    by = columns.find(arguments.by)
    values = _values(columns, by)
    levels = values.drop_null().unique().to_pylist()
    if len(levels) <= LEVELS or not _is_number(values.type):
        chosen = _at_levels(columns, by, arguments.n, sorted(levels, key=str)[:LEVELS])
    else:
        numbers = np.sort(values.drop_null().cast(pa.float64()).to_numpy())
        marks = np.quantile(numbers, np.linspace(0, 1, arguments.n), method="nearest")
        chosen = _nearest(columns, by, list(dict.fromkeys(marks.tolist())))
    for value, name, text in chosen:
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        print(f"{shown:>12}  {name}  {first_words(text)}")
    return 0


def first_words(text: str, length: int = 160) -> str:
    """The beginning of a text on one line; control characters can't reach the terminal."""
    return printable(" ".join(text[: 4 * length].split())[:length])


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
