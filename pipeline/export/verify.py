"""Checks again everything that a mixture's manifest says."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.export.data_sets import data_sets_of
from pipeline.export.edit_checks import check_empty, malformed_edits
from pipeline.export.lists import Manifest
from pipeline.export.manifest import index_files, load_manifest, mixture_digest
from pipeline.export.samples import format_of, read_samples
from pipeline.export.shard_checks import ShardChecks
from pipeline.io.parts import batches
from pipeline.io.store import Store, open_store
from pipeline.io.tally import records_taken
from pipeline.io.workspace import Workspace
from schemas.errors import ConfigurationError, WinnowError
from schemas.manifest import MANIFEST_SCHEMA, PATH, SCHEMA_VERSION

_FILE = {"path", "bytes", "sha256"}
_SHARD = {*_FILE, "rows", "tokens"}


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
    wrong = (*_malformed(manifest), *malformed_edits(manifest))
    problems = [Problem("manifest.json", what) for what in wrong]
    if problems:
        return problems
    store = open_store(location)
    checks = ShardChecks(store, manifest)
    problems += [Problem(path, what) for path, what in checks.run()]
    damaged = bool(problems)
    told = [*_check_sums(manifest), *_check_data_sets(manifest)]
    told += [*_check_accounts(manifest), *check_empty(manifest), *checks.differences()]
    problems += [Problem("manifest.json", what) for what in told]
    if workspace is not None and not damaged:
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
    for index, shard in enumerate(manifest.get("shards", ())):
        more = shard.get("beside", ()) if isinstance(shard, dict) else ()
        optional = {"stratum", "beside"}
        if not _is_file(shard, _SHARD, optional) or not all(_is_file(f, _FILE) for f in more):
            yield f"shards[{index}] is malformed"
    for index, file in enumerate(manifest.get("files", ())):
        if not _is_file(file, _FILE):
            yield f"files[{index}] is malformed"
    named = [path for split in manifest.get("splits", {}).values() for path in split["shards"]]
    shards = [str(shard.get("path")) for shard in manifest.get("shards", ())]
    if sorted(named) != sorted(shards) or len(set(shards)) != len(shards):
        yield "splits do not name every shard once"


def _is_file(told: object, fields: set[str], optional: Set[str] = frozenset()) -> bool:
    """Whether this tells of a file, and of one below the mixture's folder."""
    if not isinstance(told, dict) or set(told) - optional != fields:
        return False
    return re.fullmatch(PATH, str(told["path"])) is not None


def _check_data_sets(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Whether splits and the trainers' own files fit the shards that the manifest names."""
    sets = data_sets_of(manifest)
    for name, split in manifest["splits"].items():
        shards = [shard for data in sets if data.split == name for shard in data.shards]
        for key, found in (
            ("documents", sum(shard.rows for shard in shards)),
            ("tokens", sum(shard.tokens for shard in shards)),
        ):
            if split[key] != found:
                yield f"splits.{name}.{key} is {split[key]}, its shards sum to {found}"
    files = [vars(file) for file, _ in index_files(format_of(manifest), sets)]
    if files != manifest["files"]:
        yield "files are not those that the shards give"


def _check_sums(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Whether totals, strata and digest fit the shards that the manifest names."""
    for name, key in (("documents", "rows"), ("tokens", "tokens"), ("bytes", "bytes")):
        found = sum(shard[key] for shard in manifest["shards"])
        if manifest["totals"][name] != found:
            yield f"totals.{name} is {manifest['totals'][name]}, the shards sum to {found}"
    if manifest["selection"].get("strata") != manifest["strata"]:
        yield "strata and selection differ"
    totals = manifest["totals"]
    for name in ("documents", "tokens"):
        if totals[f"unique_{name}"] + totals[f"repeated_{name}"] != totals[name]:
            yield f"totals: unique and repeated {name} do not sum to {totals[name]}"
    licensed = sum(entry["documents"] for entry in manifest["licenses"] or ())
    if manifest["licenses"] is not None and licensed != totals["documents"]:
        yield f"licenses: {licensed} documents, the totals say {totals['documents']}"
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
        if source["records"] != records_taken(source) + lost:
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
    form = format_of(manifest)
    ids = [
        batch.column("id").to_numpy(zero_copy_only=False).astype("S32")
        for data in data_sets_of(manifest)
        for shard in data.shards
        if store.exists(shard.path)
        for batch in read_samples(store, form, shard, (), rows=4096)
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
