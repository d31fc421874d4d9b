"""`winnow explain`: why a document is in a mixture, or not."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.columns import WorkspaceColumns, open_columns
from jobs.commands.sample import first_words
from jobs.parameters import bind
from jobs.samplers import sampler_class
from pipeline.io.workspace import DocumentsPart
from pipeline.select.plan import Plan, Selection
from schemas.errors import ConfigurationError


def explain(arguments: argparse.Namespace) -> int:
    """Print where a document came from, what was measured, and what each mixture did with it."""
    columns = open_columns(arguments.workspace)
    part, row, name = _find(columns, arguments.id)
    names = [n for n in columns.addresses if n not in ("text", "metadata")]
    for start, batch in columns.read(["text", *names], part):
        if start <= row < start + len(batch):
            one = batch.slice(row - start, 1)
            break
    print(f"document {name}: {first_words(one.column('text')[0].as_py(), 100)}")
    for column in names:
        print(f"  {column} = {first_words(str(one.column(column)[0].as_py()), 100)}")
    store = columns.workspace.store
    for entry in store.list("mixtures"):
        if entry.path.endswith("/manifest.json"):
            manifest = json.loads(store.read(entry.path))
            print(f"mixture {manifest['name']}: {verdict(columns, manifest, one)}")
    return 0


def _find(columns: WorkspaceColumns, prefix: str) -> tuple[DocumentsPart, int, str]:
    found = []
    for part in columns.parts:
        for start, batch in columns.read(["id"], part):
            ids = batch.column("id")
            for row in pc.indices_nonzero(pc.starts_with(ids, prefix)).to_pylist():
                found.append((part, start + row, ids[row].as_py()))
    if not found:
        raise ConfigurationError(f"no document has an id that begins with {prefix}")
    if len(found) > 1:
        few = ", ".join(name for *_, name in found[:5])
        raise ConfigurationError(f"{len(found)} ids begin with {prefix}: {few}")
    return found[0]


def selection_of(manifest: Mapping[str, Any], columns: WorkspaceColumns) -> Selection:
    """The selection that a manifest tells of."""
    config = manifest["config"]
    sampler = dict(config.get("sampler") or {})
    default = "top_k" if config.get("score") else "uniform"
    kind = sampler_class(str(sampler.pop("method", default)))
    return Selection(
        columns.fields,
        bind(kind, sampler),
        manifest["seed"],
        config.get("where"),
        config.get("score"),
        config.get("unique"),
        tuple(config.get("strata", ())),
        tokens_column=manifest["selection"]["tokens_column"],
        budget_unit=config.get("budget_unit", "tokens"),
    )


def verdict(columns: WorkspaceColumns, manifest: Mapping[str, Any], one: pa.RecordBatch) -> str:
    """In, or out by which rule."""
    selection = selection_of(manifest, columns)
    prepared, funnel = selection.prepare(one.select(list(selection.columns)))
    for rule, documents, _ in funnel:
        if not documents:
            values = {n: one.column(n)[0].as_py() for n in selection.columns if n in rule}
            return f"out, by the rule {rule} ({values})"
    if selection.unique and (kept := _better(columns, selection, prepared)) is not None:
        return f"out, by unique {selection.unique}: {kept} of the same cluster is better"
    plan = Plan.from_json({"strata": manifest["selection"]["strata"]})
    cuts = {cut.stratum: cut for cut in plan.strata}
    stratum = prepared.column("stratum")[0].as_py()
    if stratum not in cuts:
        return f"not in the plan: made before its stratum {stratum} was there"
    copies = int(selection.keep(prepared, plan)[0])
    key, tie = prepared.column("key")[0].as_py(), prepared.column("tie")[0].as_py()
    place = f"{key:016x}{tie:016x}"
    cut = cuts[stratum]
    told = f"its place {place} in {stratum}, the cut at {cut.cut} of {cut.achieved:,} tokens"
    return f"in, {copies} times; {told}" if copies else f"out, by the budget: {told}"


def _better(
    columns: WorkspaceColumns, selection: Selection, prepared: pa.RecordBatch
) -> str | None:
    """The id of the row of the same cluster that stands for it, if that is another one."""
    cluster = prepared.column("cluster")[0].as_py()
    best: tuple[int, int, str] | None = None
    for part in columns.parts:
        for _, batch in columns.read(list(selection.columns), part):
            rows = selection.prepare(batch)[0]
            for row in np.flatnonzero(pc.equal(rows["cluster"], cluster).to_numpy(False)):
                entry = (
                    -rows["score_bits"][int(row)].as_py(),
                    -rows["n_bytes"][int(row)].as_py(),
                    rows["id"][int(row)].as_py(),
                )
                best = entry if best is None else min(best, entry)
    assert best is not None
    return None if best[2] == prepared.column("id")[0].as_py() else best[2]
