"""Documents at the levels or quantiles of a column, by which people see what it means."""

import heapq
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from jobs.columns import WorkspaceColumns
from pipeline.io.workspace import DocumentsPart
from pipeline.select.draws import draws

PARENT, INDEX = "parent_id", "segment_index"

Shown = tuple[object, str, str]
"""A value, the document's id (a segment's with its parent), and the beginning of its text."""


def _names(columns: WorkspaceColumns, by: str) -> list[str]:
    own = [name for name in (PARENT, INDEX) if name in columns.addresses]
    return list(dict.fromkeys([by, "id", "text", *own]))


def _called(batch: pa.RecordBatch, row: int) -> str:
    name = str(batch["id"][row].as_py())
    if PARENT not in batch.schema.names or not batch[PARENT][row].is_valid:
        return name
    return f"{name} (segment {batch[INDEX][row].as_py()} of {batch[PARENT][row].as_py()})"


def at_levels(
    columns: WorkspaceColumns,
    parts: Sequence[DocumentsPart],
    by: str,
    each: int,
    levels: Sequence[object],
) -> list[Shown]:
    """So many documents of each level: those with the smallest hash of their id."""
    best: dict[object, list[tuple[int, str, str]]] = {level: [] for level in levels}
    for part in parts:
        for _, batch in columns.read(_names(columns, by), part):
            places = draws(0, "sample", batch.column("id")).tolist()
            for level in levels:
                for row in pc.indices_nonzero(pc.equal(batch.column(by), level)).to_pylist():
                    entry = (-places[row], _called(batch, row), batch["text"][row].as_py())
                    if len(best[level]) < each:
                        heapq.heappush(best[level], (entry[0], entry[1], entry[2][:1000]))
                    elif entry[0] > best[level][0][0]:
                        heapq.heapreplace(best[level], (entry[0], entry[1], entry[2][:1000]))
    return [(level, name, text) for level in levels for _, name, text in sorted(best[level])]


def at_marks(columns: WorkspaceColumns, by: str, marks: Sequence[float]) -> list[Shown]:
    """For each mark the first document that has this value."""
    left = dict.fromkeys(marks)
    found: dict[float, Shown] = {}
    for part in columns.parts:
        for _, batch in columns.read(_names(columns, by), part):
            values = batch.column(by).cast(pa.float64()).to_pylist()
            for row, value in enumerate(values):
                if value in left and value not in found:
                    found[value] = (value, _called(batch, row), batch["text"][row].as_py())
    return [found[mark] for mark in marks if mark in found]
