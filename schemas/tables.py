"""One Arrow schema for every table that Winnow keeps on disk."""

from collections.abc import Mapping
from types import MappingProxyType

import pyarrow as pa

FORMAT_VERSION = 1
"""Version of the workspace layout; a workspace of another version is refused."""

DOCUMENTS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("source_id", pa.string()),
        pa.field("source_path", pa.string(), nullable=False),
        pa.field("source_offset", pa.int64(), nullable=False),
        pa.field("n_bytes", pa.int64(), nullable=False),
        pa.field("n_chars", pa.int64(), nullable=False),
    ]
)
"""The columns that every documents part begins with; mapped columns and `metadata` follow."""

SEGMENTS = pa.schema(
    [
        pa.field("parent_id", pa.string()),
        pa.field("segment_index", pa.int64()),
        pa.field("segment_start", pa.int64()),
        pa.field("segment_end", pa.int64()),
    ]
)
"""Of a segment: the id of its whole document, its number in it from 0 on, and where its text
begins and ends in the whole text, in code points. They follow DOCUMENTS where a source has
`segment`; in other rows they are null, and other parts lack them."""

METADATA = pa.field("metadata", pa.string())
"""One JSON object with what the record held beyond the mapped columns, or null."""

REJECTS = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("source_path", pa.string(), nullable=False),
        pa.field("source_offset", pa.int64(), nullable=False),
        pa.field("source_id", pa.string()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
    ]
)
"""A record that ingest turned away: why, and where it is found again."""

RANGES = pa.list_(
    pa.struct(
        [
            pa.field("start", pa.int64()),
            pa.field("end", pa.int64()),
            pa.field("kind", pa.string()),
        ]
    )
)
"""Ranges of code points of a text, half open, of some kind or none."""

MAPPED_TYPES: Mapping[str, pa.DataType] = MappingProxyType(
    {
        "string": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "ranges": RANGES,
    }
)
"""The types that a mapped column can be declared with."""

DEFAULT_MAPPED_TYPES: Mapping[str, str] = MappingProxyType({"date": "timestamp"})
"""Mapped columns whose type goes without saying; all others are strings unless declared."""

STATUSES = (
    "ok",
    "copied",
    "skipped",
    "empty",
    "unsupported_language",
    "invalid_reply",
    "crashed",
    "timeout",
)
"""The closed set of a map stage's `<stage>_status`."""

VALUES = b"winnow.values"
"""Key in a field's metadata: the closed set of its values, as a JSON list."""

NAMES = b"winnow.names"
"""Key in a field's metadata: the values by what people call them, as a JSON object."""


def documents_schema(mapped: Mapping[str, str], segmented: bool = False) -> pa.Schema:
    """The schema of a documents part whose source maps these columns to these types."""
    own = [*DOCUMENTS, *SEGMENTS] if segmented else [*DOCUMENTS]
    fields = [pa.field(name, MAPPED_TYPES[kind]) for name, kind in mapped.items()]
    return pa.schema([*own, *fields, METADATA])
