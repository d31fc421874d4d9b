"""The manifest of a mixture: what is in it, and why. Its presence is the only mark of success."""

from collections.abc import Mapping
from typing import Any

SCHEMA_VERSION = 1
"""Version of the manifest; readers refuse one that they don't know."""

_COUNT = {"type": "integer", "minimum": 0}
_COUNTS = {"type": "object", "additionalProperties": _COUNT}
_HEX = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def _listed(items: Mapping[str, Any]) -> dict[str, Any]:
    """A list, or the file that holds it where it is long."""
    named = {"path": {"type": "string", "pattern": "^list-[0-9a-f]{12}\\.parquet$"}}
    return {
        "oneOf": [
            {"type": "array", "items": dict(items)},
            _object({**named, "rows": _COUNT, "sha256": _HEX}),
        ]
    }


def _object(properties: Mapping[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }


_STRATUM = _object(
    {
        "stratum": {"type": "string"},
        "wanted": {"type": ["integer", "null"]},
        "available": _COUNT,
        "available_documents": _COUNT,
        "achieved": _COUNT,
        "achieved_documents": _COUNT,
        "copies": _COUNT,
        "cut": {"type": "string", "pattern": "^([0-9a-f]{32}|none)$"},
    }
)

PATH = "^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*$"
"""A path below the mixture's folder: no part of it begins with a dot."""

_FILE = _object({"path": {"type": "string", "pattern": PATH}, "bytes": _COUNT, "sha256": _HEX})

_SHARD = _object(
    {
        "path": {"type": "string", "pattern": PATH},
        "rows": _COUNT,
        "tokens": _COUNT,
        "bytes": _COUNT,
        "sha256": _HEX,
        "stratum": {"type": "string"},
        "beside": {"type": "array", "items": _FILE},
    },
    optional=("stratum", "beside"),
)

_FORMAT = _object(
    {
        "name": {"type": "string"},
        "style": {"type": "string"},
        "dtype": {"enum": ["uint16", "int32", "uint32"]},
        "eod": {"type": ["integer", "null"]},
        "vocabulary": _COUNT,
    },
    optional=("style", "dtype", "eod", "vocabulary"),
)

_SPLIT = _object(
    {
        "shards": _listed({"type": "string"}),
        "documents": _COUNT,
        "tokens": _COUNT,
        "blocks": {"type": "integer", "minimum": 1},
        "share": {"type": "number"},
        "by": {"type": "array", "items": {"type": "string"}},
    },
    optional=("share", "by"),
)

_EDITS = _object(
    {
        "stage": {"type": "string"},
        "lines": {"type": ["string", "null"]},
        "substrings": {"type": ["string", "null"]},
        "redaction": {"type": ["string", "null"]},
        "replacement": {"type": "string"},
        "documents": _COUNT,
        "removed": _object({"lines": _COUNT, "substrings": _COUNT, "redaction": _COUNT}),
        "empty": _COUNT,
    }
)

_LICENSE = _object({"license": {"type": "string"}, "documents": _COUNT, "tokens": _COUNT})

MANIFEST_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Winnow mixture manifest",
    **_object(
        {
            "schema_version": {"const": SCHEMA_VERSION},
            "name": {"type": "string"},
            "created_with": {"type": "object", "additionalProperties": {"type": "string"}},
            "config": {"type": "object"},
            "seed": _COUNT,
            "inputs": {
                "type": "array",
                "items": _object(
                    {
                        "source": {"type": "string"},
                        "files": _listed(_object({"path": {"type": "string"}, "size": _COUNT})),
                        "records": _COUNT,
                        "documents": _COUNT,
                        "passed_over": _COUNTS,
                        "rejects": _COUNTS,
                        "segments": _COUNTS,
                    },
                    optional=("segments",),
                ),
            },
            "funnel": {
                "type": "array",
                "items": _object(
                    {
                        "step": {"type": "string"},
                        "documents": _COUNT,
                        "tokens": {"type": ["integer", "null"]},
                        "skipped": _COUNT,
                        "failed": _COUNT,
                    },
                    optional=("skipped", "failed"),
                ),
            },
            "strata": _listed(_STRATUM),
            "selection": {"type": "object"},
            "fingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
            "tokenizer": {
                "type": ["object", "null"],
                "additionalProperties": {"type": "string"},
            },
            "edits": _EDITS,
            "format": _FORMAT,
            "columns": {"type": "object", "additionalProperties": {"type": "string"}},
            "splits": {"type": "object", "additionalProperties": _SPLIT},
            "contamination": {"type": ["string", "object"]},
            "licenses": {"type": ["array", "null"], "items": _LICENSE},
            "shards": _listed(_SHARD),
            "files": _listed(_FILE),
            "totals": _object(
                {
                    "documents": _COUNT,
                    "unique_documents": _COUNT,
                    "repeated_documents": _COUNT,
                    "tokens": _COUNT,
                    "unique_tokens": _COUNT,
                    "repeated_tokens": _COUNT,
                    "bytes": _COUNT,
                }
            ),
            "mixture_digest": _HEX,
        },
        optional=("edits",),
    ),
}
"""The JSON Schema (draft 2020-12) of manifest.json."""
