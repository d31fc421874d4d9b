"""`winnow clean`: delete what no index names any more."""

import argparse
import os
import time
from collections import Counter

from jobs.unfinished import open_work
from pipeline.export.manifest import named_files
from pipeline.io.entries import TEMPORARY, Entry
from pipeline.io.local import LocalStore
from pipeline.io.store import Store, open_store
from pipeline.io.workspace import Workspace, columns_path

YOUNG = 3600
"""Seconds for which a file may belong to a run that goes on."""


def clean(arguments: argparse.Namespace) -> int:
    """Delete replaced documents, stale columns, unnamed shards and unfinished files."""
    workspace = Workspace(open_store(arguments.workspace))
    workspace.check()
    store = workspace.store
    named = _named(workspace)
    closed = {f"{record['generation']:06d}" for record in workspace.decided()}
    found = list(store.list())
    garbage = [e for e in found if _cleanable(e.path, closed) and e.path not in named]
    garbage += _unfinished(store)
    if not arguments.all:
        still_open = open_work(workspace, [entry.path for entry in found])
        garbage = [e for e in garbage if e.path not in still_open]
        garbage = [entry for entry in garbage if _age(store, entry.path) > YOUNG]
    # A record goes before what it names, so that none ever names what is not there.
    garbage.sort(key=lambda entry: "/_stage/" not in entry.path)
    counts: Counter[str] = Counter()
    size = 0
    for entry in garbage:
        counts[entry.path.split("/")[0]] += 1
        size += entry.size
        if not arguments.dry_run:
            store.delete(entry.path)
    told = ", ".join(f"{count} in {folder}" for folder, count in sorted(counts.items()))
    verb = "would delete" if arguments.dry_run else "deleted"
    print(f"{verb} {len(garbage)} files, {size / 1e6:,.1f} MB" + (f" ({told})" if told else ""))
    return 0


def _cleanable(path: str, closed: set[str]) -> bool:
    """Whether a file may go: one of a generation only when that was committed or given up."""
    folder, *rest = path.split("/")
    if folder == "documents":
        name = rest[-2] if rest[0].startswith("_") else rest[0].partition("-")[0]
        return name in closed and rest[-1] != "generation.json"
    if folder == "rejects":
        return rest[0] in closed
    return folder in ("columns", "mixtures")


def _named(workspace: Workspace) -> set[str]:
    named = {part.path for part in workspace.documents()}
    for generation in workspace.generations():
        number = f"{generation['generation']:06d}"
        named.add(f"documents/_index/{number}/parts.parquet")
        named |= {entry.path for entry in workspace.store.list(f"rejects/{number}")}
    for name in workspace.stages():
        record = workspace.stage(name)
        assert record is not None
        named.add(f"columns/{name}/_stage/{record.number:06d}.json")
        named.add(record.index)
        for part in record.parts.values():
            named.add(columns_path(name, record.fingerprint, part.part, part.key))
    for entry in workspace.store.list("mixtures"):
        folder, _, file = entry.path.rpartition("/")
        if file == "manifest.json":
            named |= {f"{folder}/{path}" for path in named_files(workspace.store, folder)}
        if not file.startswith(("shard-", "list-")):
            named.add(entry.path)
    return named


def _unfinished(store: Store) -> list[Entry]:
    if not isinstance(store, LocalStore):
        return []
    folder = os.path.join(store.root, TEMPORARY)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [
        Entry(f"{TEMPORARY}/{name}", os.path.getsize(os.path.join(folder, name)), "")
        for name in names
    ]


def _age(store: Store, path: str) -> float:
    if not isinstance(store, LocalStore):
        return float("inf")
    return time.time() - os.path.getmtime(os.path.join(store.root, path))
