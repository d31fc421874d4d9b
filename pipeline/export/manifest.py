"""Builds the manifest, and writes it last, after what stands beside it."""

import hashlib
import importlib.metadata
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.export.card import card
from pipeline.export.croissant import croissant
from pipeline.export.data_sets import VALIDATION
from pipeline.export.formats import DataSet, File, Format, Shard
from pipeline.export.lists import LONGEST, Manifest, list_files, restore, spill
from pipeline.export.mixture_plan import MixturePlan
from pipeline.export.parquet_rows import ParquetRows
from pipeline.export.shards import IDS, Tally, mixture_schema
from pipeline.io.digests import canonical_json
from pipeline.io.edits import KINDS, AppliedEdits
from pipeline.io.faults import fault
from pipeline.io.store import Store
from pipeline.io.tally import COUNTS
from pipeline.io.workspace import Workspace
from pipeline.select.bins import Plan
from pipeline.select.reading import EMPTY_AFTER_EDIT
from schemas.manifest import SCHEMA_VERSION

_LICENSES = 1000


def mixture_digest(shards: Sequence[Mapping[str, Any]], plan: Mapping[str, Any]) -> str:
    """SHA-256 over the digests of the shards' files in order and the selection's plan."""
    digests: list[object] = []
    for shard in shards:
        beside = [file["sha256"] for file in shard.get("beside", ())]
        digests.append([shard["sha256"], *beside] if beside else shard["sha256"])
    content = canonical_json([digests, plan])
    return hashlib.sha256(content.encode()).hexdigest()


def build_manifest(
    workspace: Workspace,
    mixture: MixturePlan,
    plan: Plan,
    rules: Sequence[tuple[str, int, int | None]],
    data_sets: Sequence[DataSet],
    tally: Tally,
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
    shards = [shard for data in data_sets for shard in data.shards]
    told = [shard.to_json() for shard in shards]
    plan = _as_written(plan, mixture, tally) if shards else plan
    selection = {**plan.to_json(), "tokens_column": mixture.tokens_column}
    edits = {"edits": _edits(mixture.edits, rules, tally)} if mixture.edits else {}
    return {
        **edits,
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
        "format": dict(mixture.format.to_json()),
        "columns": _columns(mixture),
        "splits": _splits(mixture, data_sets),
        "contamination": "not checked",
        "licenses": _licenses(mixture, tally),
        "shards": told,
        "files": [vars(file) for file, _ in index_files(mixture.format, data_sets)],
        "totals": _totals(mixture, shards, tally),
        "mixture_digest": mixture_digest(told, selection),
    }


def _edits(
    edits: AppliedEdits, rules: Sequence[tuple[str, int, int | None]], tally: Tally
) -> dict[str, object]:
    """The edits, what they took out of the rows written, and of how many nothing would be left."""
    documents = [count for _, count, _ in rules]
    at = next(n for n, rule in enumerate(rules) if rule[0] == EMPTY_AFTER_EDIT)
    return {
        **edits.to_json(),
        "documents": tally.edits["documents"],
        "removed": {kind: tally.edits[kind] for kind in KINDS},
        # The rule of the tokens comes before it.
        "empty": documents[at - 1] - documents[at],
    }


def _as_written(plan: Plan, mixture: MixturePlan, tally: Tally) -> Plan:
    """The plan with what was achieved: documents for validation are not repeated."""
    eod = mixture.selection.eod
    in_bytes = mixture.selection.budget_unit == "bytes"
    cuts = []
    for cut in plan.strata:
        rows = tally.strata[cut.stratum]
        tokens = tally.tokens[cut.stratum] + (rows if eod else 0)
        cost = tally.bytes[cut.stratum] if in_bytes else tokens
        cuts.append(replace(cut, achieved=cost, achieved_documents=rows))
    return replace(plan, strata=tuple(cuts))


def _columns(mixture: MixturePlan) -> dict[str, str]:
    """The type of each column of the rows in Parquet: the documents', else the files' of ids."""
    plain = isinstance(mixture.format, ParquetRows)
    schema = mixture_schema(mixture.written) if plain else IDS
    return {field.name: str(field.type) for field in schema}


def _splits(mixture: MixturePlan, data_sets: Sequence[DataSet]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for data in data_sets:
        split = found.setdefault(data.split, {"shards": [], "documents": 0, "tokens": 0})
        split["shards"] += [shard.path for shard in data.shards]
        split["documents"] += sum(shard.rows for shard in data.shards)
        split["tokens"] += data.tokens
        split["blocks"] = mixture.blocks
    if VALIDATION in found:
        found[VALIDATION] |= {"share": mixture.validation, "by": list(mixture.split_by)}
    return found


def _totals(mixture: MixturePlan, shards: Sequence[Shard], tally: Tally) -> dict[str, int]:
    documents = sum(shard.rows for shard in shards)
    tokens = sum(shard.tokens for shard in shards)
    repeated = tally.repeated_tokens + (tally.repeated if mixture.selection.eod else 0)
    return {
        "documents": documents,
        "unique_documents": documents - tally.repeated,
        "repeated_documents": tally.repeated,
        "tokens": tokens,
        "unique_tokens": tokens - repeated,
        "repeated_tokens": repeated,
        "bytes": sum(shard.bytes for shard in shards),
    }


def _licenses(mixture: MixturePlan, tally: Tally) -> list[dict[str, Any]] | None:
    """Documents and tokens by license, the most tokens first; None where nobody says.

    Beyond the first thousand licenses the rest is one entry without a name.
    """
    if "license" not in mixture.addresses:
        return None
    sums = [(-tally.license_tokens[name], name) for name in tally.licenses]
    named = [name for _, name in sorted(sums)][:_LICENSES]
    found = [
        {
            "license": name or "not stated",
            "documents": tally.licenses[name],
            "tokens": tally.license_tokens[name],
        }
        for name in named
    ]
    rest = [name for name in tally.licenses if name not in set(named)]
    if rest:
        documents = sum(tally.licenses[name] for name in rest)
        tokens = sum(tally.license_tokens[name] for name in rest)
        found.append({"license": f"{len(rest)} others", "documents": documents, "tokens": tokens})
    return found


def index_files(form: Format, data_sets: Sequence[DataSet]) -> list[tuple[File, bytes]]:
    """The files that trainers look for beside the shards, with their content."""
    found = []
    filled = [data for data in data_sets if data.shards]
    for path, text in sorted(form.indexes(filled).items()):
        content = text.encode()
        found.append((File(path, len(content), hashlib.sha256(content).hexdigest()), content))
    return found


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
                    "segments": Counter(),
                },
            )
            source["files"].append({"path": item["path"], "size": item["size"]})
            source["records"] += item["records"]
            source["documents"] += item["documents"]
            for name in COUNTS:
                source[name].update(item.get(name, {}))
    found = [sources[name] for name in sorted(sources)]
    for source in found:
        source["files"].sort(key=lambda file: file["path"])
        for name in COUNTS:
            source[name] = dict(sorted(source[name].items()))
        if not source["segments"]:
            del source["segments"]
    return found


def load_manifest(store: Store, folder: str) -> Manifest:
    """The manifest of a mixture, its lists whole; FileNotFoundError where there is none."""
    path = f"{folder}/manifest.json" if folder else "manifest.json"
    return restore(store, folder, json.loads(store.read(path)))


def write_manifest(
    store: Store,
    folder: str,
    manifest: Manifest,
    files: Sequence[tuple[File, bytes]] = (),
    longest: int = LONGEST,
) -> str:
    """Write long lists and what stands beside the manifest, then it; returns its text.

    The shards that the manifest before it named, and it does not, go: a reader that takes every
    file of the folder gets this mixture and nothing else.
    """
    path = f"{folder}/manifest.json"
    before = named_files(store, folder) if store.exists(path) else set()
    content = json.dumps(
        spill(store, folder, manifest, longest), indent=2, sort_keys=True, ensure_ascii=False
    )
    content += "\n"
    for file, data in files:
        store.replace(f"{folder}/{file.path}", data)
    store.replace(f"{folder}/README.md", card(manifest).encode())
    store.replace(f"{folder}/croissant.json", croissant(manifest, content).encode())
    fault("write.manifest.before")
    store.replace(path, content.encode())
    fault("write.manifest.after")
    for name in sorted(before - named_files(store, folder)):
        store.delete(f"{folder}/{name}")
    return content


def named_files(store: Store, folder: str) -> set[str]:
    """The shards, lists and other files that the manifest in a folder names."""
    written = json.loads(store.read(f"{folder}/manifest.json"))
    whole = restore(store, folder, written)
    beside = [file for shard in whole["shards"] for file in shard.get("beside", ())]
    files = [*whole["shards"], *beside, *whole.get("files", ())]
    return list_files(written) | {file["path"] for file in files}
