"""Builds the manifest and the dataset card, and writes them last."""

import hashlib
import html
import importlib.metadata
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.export.lists import LONGEST, Manifest, list_files, restore, spill
from pipeline.export.mixture_plan import MixturePlan
from pipeline.export.shards import Shard
from pipeline.io.digests import canonical_json
from pipeline.io.faults import fault
from pipeline.io.store import Store
from pipeline.io.workspace import Workspace
from pipeline.select.bins import Plan
from pipeline.select.plan import stratum_label
from schemas.manifest import SCHEMA_VERSION


def mixture_digest(shards: Sequence[Mapping[str, Any]], plan: Mapping[str, Any]) -> str:
    """SHA-256 over the shards' digests in order and the selection's plan."""
    content = canonical_json([[shard["sha256"] for shard in shards], plan])
    return hashlib.sha256(content.encode()).hexdigest()


def build_manifest(
    workspace: Workspace,
    mixture: MixturePlan,
    plan: Plan,
    rules: Sequence[tuple[str, int, int | None]],
    shards: Sequence[Shard],
) -> Manifest:
    """The manifest: the same for the same set of documents, however they were ingested."""
    inputs = _inputs(workspace.generations())
    records = [record for stage in mixture.stages if (record := workspace.stage(stage))]
    funnel = [
        {"step": "records", "documents": sum(item["records"] for item in inputs), "tokens": None},
        {
            "step": "documents",
            "documents": sum(item["documents"] for item in inputs),
            "tokens": None,
        },
    ]
    funnel += [
        {
            "step": f"stage {record.stage}",
            "documents": record.totals["measured"],
            "tokens": None,
            "skipped": record.totals["skipped"],
            "failed": record.totals["failed"],
        }
        for record in records
    ]
    funnel += [{"step": rule, "documents": n, "tokens": tokens} for rule, n, tokens in rules]
    told = [shard.to_json() for shard in shards]
    selection = {**plan.to_json(), "tokens_column": mixture.tokens_column}
    documents = sum(shard.rows for shard in shards)
    unique = sum(min(cut.achieved_documents, cut.available_documents) for cut in plan.strata)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": mixture.name,
        "created_with": {p: importlib.metadata.version(p) for p in ("winnow-curation", "pyarrow")},
        "config": dict(mixture.config),
        "seed": mixture.seed,
        "inputs": inputs,
        "funnel": funnel,
        "strata": selection["strata"],
        "selection": selection,
        "fingerprints": {record.stage: record.fingerprint for record in records},
        "tokenizer": dict(mixture.tokenizer) if mixture.tokenizer else None,
        "splits": {"train": {"shards": [shard.path for shard in shards]}},
        "contamination": "not checked",
        "shards": told,
        "totals": {
            "documents": documents,
            "unique_documents": unique,
            "repeated_documents": documents - unique,
            "tokens": sum(shard.tokens for shard in shards),
            "bytes": sum(shard.bytes for shard in shards),
        },
        "mixture_digest": mixture_digest(told, selection),
    }


def _inputs(generations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    sources: dict[str, dict[str, Any]] = {}
    for record in generations:
        for item in record["inputs"]:
            source = sources.setdefault(
                item["source"],
                {
                    "source": item["source"],
                    "files": [],
                    "records": 0,
                    "documents": 0,
                    "passed_over": Counter(),
                    "rejects": Counter(),
                },
            )
            source["files"].append({"path": item["path"], "size": item["size"]})
            source["records"] += item["records"]
            source["documents"] += item["documents"]
            source["passed_over"].update(item["passed_over"])
            source["rejects"].update(item["rejects"])
    found = [sources[name] for name in sorted(sources)]
    for source in found:
        source["files"].sort(key=lambda file: file["path"])
        for name in ("passed_over", "rejects"):
            source[name] = dict(sorted(source[name].items()))
    return found


def load_manifest(store: Store, folder: str) -> Manifest:
    """The manifest of a mixture, its lists whole; FileNotFoundError where there is none."""
    path = f"{folder}/manifest.json" if folder else "manifest.json"
    return restore(store, folder, json.loads(store.read(path)))


def write_manifest(store: Store, folder: str, manifest: Manifest, longest: int = LONGEST) -> str:
    """Write long lists and the card, then the manifest; returns the manifest's text.

    The shards that the manifest before it named, and it does not, go: a reader that takes every
    file of the folder gets this mixture and nothing else.
    """
    path = f"{folder}/manifest.json"
    before = named_files(store, folder) if store.exists(path) else set()
    content = json.dumps(
        spill(store, folder, manifest, longest), indent=2, sort_keys=True, ensure_ascii=False
    )
    content += "\n"
    store.replace(f"{folder}/README.md", card(manifest).encode())
    fault("write.manifest.before")
    store.replace(path, content.encode())
    fault("write.manifest.after")
    for name in sorted(before - named_files(store, folder)):
        store.delete(f"{folder}/{name}")
    return content


def named_files(store: Store, folder: str) -> set[str]:
    """The shards and lists that the manifest in a folder names."""
    written = json.loads(store.read(f"{folder}/manifest.json"))
    shards = restore(store, folder, written)["shards"]
    return list_files(written) | {shard["path"] for shard in shards}


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    return html.escape(text).replace("|", "\\|").replace("\n", " ")


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def card(manifest: Manifest) -> str:
    """The dataset card, in Markdown; what comes from documents or configuration is escaped."""
    totals = manifest["totals"]
    funnel = [(step["step"], step["documents"], step["tokens"]) for step in manifest["funnel"]]
    names = ("wanted", "available", "achieved", "achieved_documents")
    strata = [
        [stratum_label(cut["stratum"]), *(cut[name] for name in names)]
        for cut in manifest["strata"]
    ]
    sources = [
        (item["source"], len(item["files"]), item["records"], item["documents"])
        for item in manifest["inputs"]
    ]
    return f"""# {_cell(manifest["name"])}

{totals["documents"]:,} documents, {totals["tokens"]:,} tokens, in {len(manifest["shards"])} shards,
selected by Winnow. `manifest.json` beside this says exactly what is in them and why;
`winnow verify` checks it.

## Sources

{_table(("source", "files", "records", "documents"), sources)}

## From records to rows

{_table(("step", "documents", "tokens"), funnel)}

## Strata

{_table(("stratum", "wanted", "available", "achieved", "documents"), strata)}

Contamination with benchmarks: {_cell(manifest["contamination"])}.
"""
