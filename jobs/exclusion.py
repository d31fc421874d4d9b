"""Why documents are not in a mixture: the rule, or the cluster, or the budget, summed."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.columns import WorkspaceColumns
from jobs.commands.explain import selection_of
from pipeline.export.membership import Ids, as_ids
from pipeline.select.eligible import Eligible
from pipeline.select.plan import Selection

ABSENT = "not in the workspace"

Reasons = Counter[str]


def count_reasons(columns: WorkspaceColumns, manifest: Mapping[str, Any], ids: Ids) -> Reasons:
    """Documents by the first rule of the mixture that keeps them out; `ids` are sorted.

    Two passes over the columns: the second finds the best row of each cluster that has one of
    these documents, where the mixture takes one of each.
    """
    selection = selection_of(manifest, columns)
    reasons: Reasons = Counter()
    survivors: list[Eligible] = []
    found = 0
    for batch in _batches(columns, selection):
        mine = batch.filter(pa.array(np.isin(as_ids(batch.column("id")), ids)))
        found += len(mine)
        left = len(mine)
        rows, tally = selection.prepare(mine)
        for rule, documents, *_ in tally.rules:
            reasons[rule] += left - documents
            left = documents
        survivors.append(rows)
    reasons[ABSENT] = len(ids) - found
    if selection.unique:
        best = _best(columns, selection, survivors)
        for number, rows in enumerate(survivors):
            first = np.isin(as_ids(rows.ids), best)
            reasons[f"unique {selection.unique}"] += int((~first).sum())
            survivors[number] = rows.take(np.flatnonzero(first))
    for rows in survivors:
        _count_last(selection, manifest, rows, reasons)
    return Counter({reason: count for reason, count in reasons.items() if count})


def _count_last(
    selection: Selection, manifest: Mapping[str, Any], rows: Eligible, reasons: Reasons
) -> None:
    """Rows that pass every rule: their stratum is new, or the sampler or the budget stops them."""
    known = {cut["stratum"] for cut in manifest["strata"]}
    old = np.array([stratum in known for stratum in rows.strata], bool)[rows.codes]
    reasons["its stratum was not there"] += int((~old).sum())
    rows = rows.take(np.flatnonzero(old))
    if not len(rows):
        return
    admitted = selection.places(rows)[2].any(axis=0)
    reasons[f"sampler {selection.sampler.method}"] += int((~admitted).sum())
    reasons["budget"] += int(admitted.sum())


def _batches(columns: WorkspaceColumns, selection: Selection) -> Iterator[pa.RecordBatch]:
    for part in columns.parts:
        for _, batch in columns.read(list(selection.columns), part):
            yield batch


def _best(columns: WorkspaceColumns, selection: Selection, found: Sequence[Eligible]) -> Ids:
    """Of each cluster that one of these rows is in, the id of the row that stands for it."""
    clusters = pc.unique(pa.chunked_array([rows.clusters for rows in found], pa.string()))
    best: dict[str, tuple[float, int, str]] = {}
    for batch in _batches(columns, selection):
        rows = selection.prepare(batch)[0]
        rows = rows.take(np.flatnonzero(pc.is_in(rows.clusters, clusters).to_numpy(False)))
        assert rows.clusters is not None
        names, ids = rows.clusters.to_pylist(), rows.ids.to_pylist()
        sizes = zip(rows.scores.tolist(), rows.n_bytes.tolist(), strict=True)
        for cluster, name, (score, size) in zip(names, ids, sizes, strict=True):
            entry = (-score, -size, name)
            best[cluster] = min(entry, best.get(cluster, entry))
    return np.array([name.encode() for _, _, name in best.values()], "S32")
