"""Checks again everything that a mixture's manifest says."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.export.manifest import mixture_digest
from pipeline.io.store import Store, open_store
from schemas.errors import ConfigurationError
from schemas.manifest import SCHEMA_VERSION


@dataclass(frozen=True)
class Problem:
    """One thing that does not hold."""

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


def read_manifest(location: str) -> dict[str, Any]:
    """The manifest of a mixture; ConfigurationError where there is none that can be read."""
    store = open_store(location)
    try:
        manifest = json.loads(store.read("manifest.json"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"{location} has no manifest.json: it is no mixture, or was never finished"
        ) from None
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"{location}/manifest.json can't be read: {error}") from None
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if version != SCHEMA_VERSION:
        raise ConfigurationError(
            f"{location}/manifest.json has schema_version {version}; "
            f"this Winnow reads {SCHEMA_VERSION}"
        )
    return dict(manifest)


def verify(location: str, workspace: str | None = None) -> list[Problem]:
    """What does not hold, in the order of the manifest; empty where all does."""
    manifest = read_manifest(location)
    store = open_store(location)
    problems = _missing_keys(manifest)
    if problems:
        return problems
    ids: list[np.ndarray] = []
    rows = tokens = size = 0
    for shard in manifest["shards"]:
        found, wrong = _check_shard(store, shard)
        problems += wrong
        rows, tokens = rows + shard["rows"], tokens + shard["tokens"]
        size += shard["bytes"]
        if found is not None:
            ids.append(found)
    problems += _check_sums(manifest, {"documents": rows, "tokens": tokens, "bytes": size})
    every = np.concatenate(ids) if ids else np.zeros(0, "S40")
    if len(np.unique(every)) != len(every):
        problems.append(Problem("manifest.json", "a document and copy stands in the shards twice"))
    if workspace is not None:
        problems += _check_ids(workspace, every)
    return problems


def _check_sums(manifest: Mapping[str, Any], totals: Mapping[str, int]) -> list[Problem]:
    """Whether totals, strata and digest fit the shards that the manifest names."""
    problems = []
    for name, value in totals.items():
        if manifest["totals"][name] != value:
            told = f"totals.{name} is {manifest['totals'][name]}, the shards sum to {value}"
            problems.append(Problem("manifest.json", told))
    if manifest["selection"].get("strata") != manifest["strata"]:
        problems.append(Problem("manifest.json", "strata and selection differ"))
    achieved = sum(cut["achieved_documents"] for cut in manifest["strata"])
    if achieved != totals["documents"]:
        told = (
            f"the strata's documents sum to {achieved}, the shards' rows to {totals['documents']}"
        )
        problems.append(Problem("manifest.json", told))
    if mixture_digest(manifest["shards"], manifest["selection"]) != manifest["mixture_digest"]:
        problems.append(Problem("manifest.json", "mixture_digest does not fit the shards and plan"))
    return problems


def _missing_keys(manifest: Mapping[str, Any]) -> list[Problem]:
    from schemas.manifest import MANIFEST_SCHEMA

    problems = []
    for name in MANIFEST_SCHEMA["required"]:
        if name not in manifest:
            problems.append(Problem("manifest.json", f"{name} is missing"))
    for name in manifest:
        if name not in MANIFEST_SCHEMA["properties"]:
            problems.append(Problem("manifest.json", f"{name} is unknown"))
    fields = set(MANIFEST_SCHEMA["properties"]["shards"]["items"]["required"])
    for index, shard in enumerate(manifest.get("shards", ())):
        if not isinstance(shard, dict) or set(shard) != fields or "/" in str(shard["path"]):
            problems.append(Problem("manifest.json", f"shards[{index}] is malformed"))
    return problems


def _check_shard(store: Store, shard: Mapping[str, Any]) -> tuple[np.ndarray | None, list[Problem]]:
    """The shard's ids with their copies, and what is wrong with it."""
    path = str(shard["path"])
    problems = []
    if not store.exists(path):
        return None, [Problem(path, "is missing")]
    digest = hashlib.sha256()
    size = 0
    with store.open(path) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    if size != shard["bytes"]:
        problems.append(Problem(path, f"has {size} bytes, the manifest says {shard['bytes']}"))
    if digest.hexdigest() != shard["sha256"]:
        problems.append(Problem(path, "its content has changed: the SHA-256 differs"))
    try:
        with store.open(path) as file:
            table = pq.read_table(file, columns=["id", "copy", "n_tokens"])
    except (pa.ArrowException, OSError, KeyError) as error:
        return None, [*problems, Problem(path, f"can't be read: {str(error)[:200]}")]
    if len(table) != shard["rows"]:
        problems.append(Problem(path, f"has {len(table)} rows, the manifest says {shard['rows']}"))
    tokens = int(table.column("n_tokens").combine_chunks().fill_null(0).to_numpy().sum())
    if tokens != shard["tokens"]:
        problems.append(Problem(path, f"has {tokens} tokens, the manifest says {shard['tokens']}"))
    ids = table.column("id").to_numpy().astype("S32")
    copies = table.column("copy").to_numpy().astype("S8")
    return np.char.add(ids, copies), problems


def _check_ids(workspace: str, ids: np.ndarray) -> list[Problem]:
    """Every document of the mixture must be one of the workspace."""
    from pipeline.io.parts import batches
    from pipeline.io.workspace import Workspace

    held = Workspace(open_store(workspace))
    held.check()
    wanted = {bytes(name)[:32] for name in ids}
    for part in held.documents():
        for batch in batches(held.store, part.path, ["id"]):
            wanted.difference_update(name.encode() for name in batch.column(0).to_pylist())
    if wanted:
        few = ", ".join(sorted(name.decode() for name in wanted)[:3])
        return [Problem("shards", f"{len(wanted)} documents are not in {workspace}: {few}")]
    return []
