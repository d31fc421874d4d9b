"""`winnow explain`: why a document is in a mixture, or not."""

import argparse
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.columns import WorkspaceColumns, open_columns
from jobs.console import first_words, shown
from jobs.parameters import bind
from jobs.samplers import sampler_class
from pipeline.export.formats import counts_ends
from pipeline.export.manifest import load_manifest
from pipeline.io.edits import AppliedEdits
from pipeline.io.workspace import DocumentsPart
from pipeline.select.bins import Plan, place_key
from pipeline.select.eligible import Eligible
from pipeline.select.plan import Selection, stratum_label
from schemas.errors import ConfigurationError
from schemas.tables import SEGMENTS


def explain(arguments: argparse.Namespace) -> int:
    """Print where a document came from, what was measured, and what each mixture did with it."""
    columns = open_columns(arguments.workspace)
    part, row, name = _find(columns, arguments.id)
    names = [n for n in columns.addresses if n != "metadata"]
    for start, batch in columns.read(names, part):
        if start <= row < start + len(batch):
            one = batch.slice(row - start, 1)
            break
    print(f"document {name}: {first_words(one.column('text')[0].as_py(), 100)}")
    if "parent_id" in names and one.column("parent_id")[0].is_valid:
        parent, index, start, end = (one.column(n)[0].as_py() for n in SEGMENTS.names)
        print(
            f"  segment {index} of document {parent}: code points {start:,} to {end:,} of its text"
        )
    for stage in dict.fromkeys(address.stage for address in columns.addresses.values()):
        told = ", ".join(
            f"{n} = {shown(one.column(n)[0].as_py())}"
            for n in names
            if columns.addresses[n].stage == stage and n not in ("id", "text")
        )
        lines = textwrap.wrap(told, 86, break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(lines):
            print(f"  {(stage or 'documents') if number == 0 else '':<14}{line}")
    store = columns.workspace.store
    for entry in store.list("mixtures"):
        if entry.path.endswith("/manifest.json"):
            manifest = load_manifest(store, entry.path.rpartition("/")[0])
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
        told = f"no document has an id that begins with {prefix}"
        raise ConfigurationError(told + _segments_of(columns, prefix))
    if len(found) > 1:
        few = ", ".join(name for *_, name in found[:5])
        raise ConfigurationError(f"{len(found)} ids begin with {prefix}: {few}")
    return found[0]


def _segments_of(columns: WorkspaceColumns, prefix: str) -> str:
    """What became of a whole document whose id begins so, where that was cut."""
    if "parent_id" not in columns.addresses:
        return ""
    found: list[tuple[str, int, str]] = []
    for part in columns.parts:
        for _, batch in columns.read(["parent_id", "segment_index", "id"], part):
            mine = batch.filter(pc.fill_null(pc.starts_with(batch.column(0), prefix), False))
            found += [tuple(row.values()) for row in mine.to_pylist()]
    if not found:
        return ""
    few = ", ".join(name for *_, name in sorted(found)[:5])
    return f"; {found[0][0]} was cut into {len(found):,} segments: {few}" + ", ..." * (
        len(found) > 5
    )


def selection_of(manifest: Mapping[str, Any], columns: WorkspaceColumns) -> Selection:
    """The selection that a manifest tells of."""
    config = manifest["config"]
    sampler = dict(config.get("sampler") or {})
    default = "top_k" if config.get("score") else "uniform"
    kind = sampler_class(str(sampler.pop("method", default)))
    edits = AppliedEdits.of(manifest["edits"]) if "edits" in manifest else None
    return Selection(
        catalogue=columns.fields,
        sampler=bind(kind, sampler),
        seed=manifest["seed"],
        where=config.get("where"),
        score=config.get("score"),
        unique=config.get("unique"),
        strata=tuple(config.get("strata", ())),
        tokens_column=manifest["selection"]["tokens_column"],
        bytes_column=edits.bytes_column if edits else "n_bytes",
        empty_column=edits.empty_column if edits else None,
        budget_unit=config.get("budget_unit", "tokens"),
        eod=counts_ends(manifest),
        fitted=manifest["selection"].get("fitted", {}),
    )


def verdict(columns: WorkspaceColumns, manifest: Mapping[str, Any], one: pa.RecordBatch) -> str:
    """In, or out by which rule."""
    selection = selection_of(manifest, columns)
    prepared, tally = selection.prepare(one.select(list(selection.columns)))
    for rule, documents, *_ in tally.rules:
        if not documents:
            told = ", ".join(
                f"{n} = {shown(one.column(n)[0].as_py())}" for n in selection.columns if n in rule
            )
            return f"out, by the rule {rule} (here {told})"
    if selection.unique and (kept := _better(columns, selection, prepared)) is not None:
        return f"out, by unique {selection.unique}: {kept} of the same cluster is taken before it"
    plan = Plan.from_json(manifest["selection"])
    cuts = {cut.stratum: cut for cut in plan.strata}
    (stratum,) = prepared.strata
    label = stratum_label(stratum)
    if stratum not in cuts:
        return f"out: the mixture was made before there was a stratum {label}"
    cut = cuts[stratum]
    keys, ties, taken = selection.places(prepared)
    if not taken.any():
        return f"out, by the sampler {selection.sampler.method}: score {prepared.scores[0]:.6g}"
    copies = int(selection.keep(prepared, plan)[0])
    place = f"{int(keys[0, 0]):016x}{int(ties[0]):016x}"
    told = f"its {selection.sampler.method} key in the stratum {label} is {place_key(place):.6g}"
    if cut.cut != "none":
        told += f", the cut is at {place_key(cut.cut):.6g}"
        if place[:16] == cut.cut[:16]:
            told += f", and of equal keys at {cut.cut[16:]} where its hash is {place[16:]}"
    told += f"; {cut.achieved:,} of {cut.available:,} fit the budget"
    return f"in, {copies} x: {told}" if copies else f"out, by the budget: {told}"


def _better(columns: WorkspaceColumns, selection: Selection, prepared: Eligible) -> str | None:
    """The id of the row of the same cluster that stands for it, if that is another one."""
    assert prepared.clusters is not None
    cluster = prepared.clusters[0].as_py()
    best: tuple[float, int, str] | None = None
    for part in columns.parts:
        for _, batch in columns.read(list(selection.columns), part):
            rows = selection.prepare(batch)[0]
            assert rows.clusters is not None
            for row in np.flatnonzero(pc.equal(rows.clusters, cluster).to_numpy(False)).tolist():
                entry = (-float(rows.scores[row]), -int(rows.n_bytes[row]), rows.ids[row].as_py())
                best = entry if best is None else min(best, entry)
    assert best is not None
    return None if best[2] == prepared.ids[0].as_py() else best[2]
