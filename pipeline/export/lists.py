"""Long lists of a manifest stand in Parquet files beside it, named with their SHA-256."""

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.io.store import Store
from schemas.errors import WinnowError

LONGEST = 10_000
"""A longer list stands in a file of its own."""

_NAME = re.compile(r"list-[0-9a-f]{12}\.parquet")

Manifest = dict[str, Any]
_Change = Callable[[Any], Any]


def _each_list(manifest: Mapping[str, Any], change: _Change) -> Manifest:
    """The manifest with `change` applied to every list of it that may grow long."""
    inputs = [{**source, "files": change(source["files"])} for source in manifest["inputs"]]
    splits = {
        name: {**split, "shards": change(split["shards"])}
        for name, split in manifest["splits"].items()
    }
    selection = {**manifest["selection"], "strata": change(manifest["selection"]["strata"])}
    return {
        **manifest,
        "inputs": inputs,
        "splits": splits,
        "selection": selection,
        "strata": change(manifest["strata"]),
        "shards": change(manifest["shards"]),
        "files": change(manifest["files"]),
    }


def spill(store: Store, folder: str, manifest: Mapping[str, Any], longest: int) -> Manifest:
    """The manifest with the name, rows and digest of a file in place of every long list."""

    def put(items: list[Any]) -> object:
        if len(items) <= longest:
            return items
        rows = [item if isinstance(item, dict) else {"value": item} for item in items]
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink, compression="zstd")
        content = sink.getvalue()
        digest = hashlib.sha256(content).hexdigest()
        name = f"list-{digest[:12]}.parquet"
        store.create(f"{folder}/{name}", content)
        return {"path": name, "rows": len(items), "sha256": digest}

    return _each_list(manifest, put)


def restore(store: Store, folder: str, manifest: Mapping[str, Any]) -> Manifest:
    """The manifest with every list in its place; WinnowError where one's file is not right."""
    prefix = f"{folder}/" if folder else ""

    def get(items: Any) -> Any:
        if isinstance(items, list):
            return items
        path = str(items["path"])
        if not _NAME.fullmatch(path):
            raise WinnowError(f"{path!r} is no name of a file that holds a list")
        try:
            content = store.read(f"{prefix}{path}")
        except FileNotFoundError:
            raise WinnowError(f"{path}, which the manifest names, is missing") from None
        if hashlib.sha256(content).hexdigest() != items["sha256"]:
            raise WinnowError(f"{path}: its content has changed: the SHA-256 differs")
        rows = pq.read_table(io.BytesIO(content)).to_pylist()
        return [row["value"] if row.keys() == {"value"} else _without_gaps(row) for row in rows]

    return _each_list(manifest, get)


def _without_gaps(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row without the optional keys that it did not have before a table gave it all."""
    return {k: v for k, v in row.items() if v is not None or k not in ("beside", "stratum")}


def list_files(manifest: Mapping[str, Any]) -> set[str]:
    """The files that hold lists of a manifest as it is written."""
    found: set[str] = set()

    def note(items: Any) -> Any:
        if not isinstance(items, list):
            found.add(str(items["path"]))
        return items

    _each_list(manifest, note)
    return found
