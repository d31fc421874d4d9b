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

_SHARD = _object(
    {
        "path": {"type": "string", "pattern": "^[A-Za-z0-9._-]+$"},
        "rows": _COUNT,
        "tokens": _COUNT,
        "bytes": _COUNT,
        "sha256": _HEX,
    }
)

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
                    }
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
            "splits": {
                "type": "object",
                "additionalProperties": _object({"shards": _listed({"type": "string"})}),
            },
            "contamination": {"type": ["string", "object"]},
            "shards": _listed(_SHARD),
            "totals": _object(
                {
                    "documents": _COUNT,
                    "unique_documents": _COUNT,
                    "repeated_documents": _COUNT,
                    "tokens": _COUNT,
                    "bytes": _COUNT,
                }
            ),
            "mixture_digest": _HEX,
        }
    ),
}
"""The JSON Schema (draft 2020-12) of manifest.json."""
