"""Checks again everything that a mixture's manifest says."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.export.lists import Manifest
from pipeline.export.manifest import load_manifest, mixture_digest
from pipeline.export.shard_checks import ShardChecks
from pipeline.io.parts import batches
from pipeline.io.store import Store, open_store
from pipeline.io.workspace import Workspace
from schemas.errors import ConfigurationError, WinnowError
from schemas.manifest import MANIFEST_SCHEMA, SCHEMA_VERSION


@dataclass(frozen=True)
class Problem:
    """One thing that does not hold."""

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


def read_manifest(location: str) -> Manifest:
    """The manifest of a mixture; ConfigurationError where there is none that can be read."""
    store = open_store(location)
    try:
        manifest = load_manifest(store, "")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{location} has no manifest.json: it is no mixture, or was never finished"
        ) from None
    except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{location}/manifest.json can't be read: {error}") from None
    except WinnowError as error:
        raise WinnowError(f"{location}: {error}") from None
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ConfigurationError(
            f"{location}/manifest.json has schema_version {version}; "
            f"this Winnow reads {SCHEMA_VERSION}"
        )
    return manifest


def verify(location: str, workspace: str | None = None) -> list[Problem]:
    """What does not hold, in the order of the manifest; empty where all does."""
    manifest = read_manifest(location)
    problems = [Problem("manifest.json", what) for what in _malformed(manifest)]
    if problems:
        return problems
    store = open_store(location)
    checks = ShardChecks(store, manifest)
    problems += [Problem(path, what) for path, what in checks.run()]
    told = [*_check_sums(manifest), *_check_accounts(manifest), *checks.differences()]
    problems += [Problem("manifest.json", what) for what in told]
    if workspace is not None:
        problems += _check_ids(workspace, store, manifest)
    return problems


def _malformed(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Keys that are missing, and keys that nobody knows."""
    for name in MANIFEST_SCHEMA["required"]:
        if name not in manifest:
            yield f"{name} is missing"
    for name in manifest:
        if name not in MANIFEST_SCHEMA["properties"]:
            yield f"{name} is unknown"
    fields = {"path", "rows", "tokens", "bytes", "sha256"}
    for index, shard in enumerate(manifest.get("shards", ())):
        if not isinstance(shard, dict) or set(shard) != fields or "/" in str(shard["path"]):
            yield f"shards[{index}] is malformed"


def _check_sums(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Whether totals, strata and digest fit the shards that the manifest names."""
    for name, key in (("documents", "rows"), ("tokens", "tokens"), ("bytes", "bytes")):
        found = sum(shard[key] for shard in manifest["shards"])
        if manifest["totals"][name] != found:
            yield f"totals.{name} is {manifest['totals'][name]}, the shards sum to {found}"
    if manifest["selection"].get("strata") != manifest["strata"]:
        yield "strata and selection differ"
    for cut in manifest["strata"]:
        if cut["wanted"] is not None and cut["achieved"] > cut["wanted"]:
            yield f"the stratum {cut['stratum']} has more than it was to have"
    if mixture_digest(manifest["shards"], manifest["selection"]) != manifest["mixture_digest"]:
        yield "mixture_digest does not fit the shards and plan"


def _check_accounts(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Whether nothing has vanished: of the records, at every stage, by every rule."""
    totals: Counter[str] = Counter()
    for source in manifest["inputs"]:
        lost = sum(source["passed_over"].values()) + sum(source["rejects"].values())
        if source["records"] != source["documents"] + lost:
            yield f"inputs: the records of {source['source']} do not balance"
        totals.update(records=source["records"], documents=source["documents"])
    left = 0
    for step in manifest["funnel"]:
        name, count = step["step"], step["documents"]
        if name in totals:
            if count != totals[name]:
                yield f"funnel: {count} {name}, the inputs sum to {totals[name]}"
            left = count
        elif "skipped" in step:
            if count + step["skipped"] + step["failed"] != totals["documents"]:
                yield f"funnel: the documents of {name} do not balance"
        elif count > left:
            yield f"funnel: {name} leaves {count} of {left} documents"
        else:
            left = count
    available = sum(cut["available_documents"] for cut in manifest["strata"])
    if available != left:
        yield f"strata: {available} documents are available, the funnel leaves {left}"


def _check_ids(workspace: str, store: Store, manifest: Mapping[str, Any]) -> list[Problem]:
    """Every document of the mixture must be one of the workspace."""
    held = Workspace(open_store(workspace))
    held.check()
    ids = [
        batch.column(0).to_numpy(zero_copy_only=False).astype("S32")
        for shard in manifest["shards"]
        if store.exists(shard["path"])
        for batch in batches(store, shard["path"], ["id"])
    ]
    wanted = np.unique(np.concatenate(ids)) if ids else np.zeros(0, "S32")
    found = np.zeros(len(wanted) + 1, bool)
    for part in held.documents():
        for batch in batches(held.store, part.path, ["id"]):
            names = batch.column(0).to_numpy(zero_copy_only=False).astype("S32")
            places = np.searchsorted(wanted, names)
            inside = places < len(wanted)
            inside[inside] = wanted[places[inside]] == names[inside]
            found[places[inside]] = True
    lost = wanted[~found[:-1]]
    if len(lost):
        few = ", ".join(name.decode() for name in lost[:3])
        return [Problem("shards", f"{len(lost)} documents are not in {workspace}: {few}")]
    return []
