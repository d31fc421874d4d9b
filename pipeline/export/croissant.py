"""Croissant metadata of a mixture: Akhtar et al. 2024 (2403.19546), version 1.0."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.export.data_sets import data_sets_of
from pipeline.export.formats import IDS_SUFFIX, DataSet
from pipeline.export.lists import Manifest

_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "includes": "cr:includes",
    "recordSet": "cr:recordSet",
    "sc": "https://schema.org/",
    "source": "cr:source",
}

_TYPES: Mapping[str, str] = {
    "string": "sc:Text",
    "int8": "sc:Integer",
    "int32": "sc:Integer",
    "int64": "sc:Integer",
    "float": "sc:Float",
    "double": "sc:Float",
    "bool": "sc:Boolean",
    "timestamp[us, tz=UTC]": "sc:Date",
}
"""Columns of other types are left out: Croissant has no lists of records in a column."""

_PARQUET = "application/x-parquet"


def croissant(manifest: Manifest, written: str) -> str:
    """The content of croissant.json; `written` is that of manifest.json, whose digest it has.

    Records are the documents where shards are Parquet, and else the rows of the files of ids.
    """
    columns = manifest["columns"]
    sets = [data for data in data_sets_of(manifest) if data.shards]
    files: list[Any] = [
        {
            "@type": "cr:FileObject",
            "@id": "manifest",
            "name": "manifest",
            "contentUrl": "manifest.json",
            "encodingFormat": "application/json",
            "sha256": hashlib.sha256(written.encode()).hexdigest(),
        }
    ]
    records = []
    for split in dict.fromkeys(data.split for data in sets):
        mine = [data for data in sets if data.split == split]
        suffix = _records_suffix(mine)
        if suffix is None:
            continue
        files.append(
            {
                "@type": "cr:FileSet",
                "@id": f"{split}-files",
                "name": f"{split}-files",
                "encodingFormat": _PARQUET,
                "includes": [data.name(f"shard-?????-????????????{suffix}") for data in mine],
            }
        )
        records.append(_records(split, columns))
    licenses = sorted(item["license"] for item in manifest["licenses"] or ())
    totals = manifest["totals"]
    told: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest["name"],
        "description": f"{totals['documents']} documents, {totals['tokens']} tokens, selected by"
        f" Winnow; mixture {manifest['mixture_digest']}.",
        "version": f"{manifest['schema_version']}.0.0",
        "distribution": files,
        "recordSet": records,
    }
    if licenses:
        told["license"] = licenses
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _records_suffix(sets: Sequence[DataSet]) -> str | None:
    """How the names of those files end that hold a row for each document."""
    shard = sets[0].shards[0]
    if shard.path.endswith(".parquet"):
        return ".parquet"
    traced = any(file.path.endswith(IDS_SUFFIX) for file in shard.beside)
    return IDS_SUFFIX if traced else None


def _records(split: str, columns: Mapping[str, str]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{split}/{name}",
                "name": f"{split}/{name}",
                "dataType": _TYPES[kind],
                "source": {"fileSet": {"@id": f"{split}-files"}, "extract": {"column": name}},
            }
            for name, kind in columns.items()
            if kind in _TYPES
        ],
    }
