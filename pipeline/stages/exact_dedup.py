"""Exact duplicates: documents whose text is the same, byte by byte."""

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from pipeline.stages.base import MapStage, RelationalStage


@dataclass(frozen=True, kw_only=True)
class TextHash(MapStage):
    """The BLAKE2b hash of a document's UTF-8 bytes, 16 bytes: no collision is to be feared."""

    kind: ClassVar[str] = "text_hash"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text",)

    def schema(self) -> pa.Schema:
        """text_hash: binary."""
        return pa.schema([pa.field("text_hash", pa.binary())])

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Hash each text."""
        texts = batch.column("text").cast(pa.binary())
        hashes = [hashlib.blake2b(t.as_buffer(), digest_size=16).digest() for t in texts]
        return pa.record_batch([pa.array(hashes, pa.binary())], ["text_hash"])


@dataclass(frozen=True, kw_only=True)
class ExactDedup(RelationalStage):
    """Of documents with the same text keeps the one with the smallest id."""

    kind: ClassVar[str] = "exact_dedup"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("id",)
    defaults: ClassVar[dict[str, str]] = {"exact_cluster_id": "id"}

    def schema(self) -> pa.Schema:
        """exact_duplicate_of: the kept one's id, null if kept; exact_cluster_id: never null."""
        return pa.schema(
            [
                pa.field("exact_duplicate_of", pa.string()),
                pa.field("exact_cluster_id", pa.string()),
            ]
        )

    def map_half(self) -> MapStage:
        """The hashes that are compared."""
        return TextHash()
