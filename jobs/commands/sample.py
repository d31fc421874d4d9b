"""`winnow sample`: documents at each level or quantile of a column, to read what it means."""

import argparse

import numpy as np
import pyarrow as pa

from jobs.columns import WorkspaceColumns, open_columns
from jobs.console import first_words, shown
from jobs.levels import at_levels, at_marks
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
        each = max(1, arguments.n // max(1, len(levels)))
        chosen = at_levels(columns, columns.parts, by, each, levels)
    else:
        counts = {}
        numbers = np.sort(values.drop_null().cast(pa.float64()).to_numpy())
        marks = np.quantile(numbers, np.linspace(0, 1, arguments.n), method="nearest")
        chosen = at_marks(columns, by, list(dict.fromkeys(marks.tolist())))
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
