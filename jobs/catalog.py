"""Which columns there are, what they are called in expressions and where they are kept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.stages.base import MapStage, RelationalStage, Stage
from schemas.config import Config
from schemas.tables import DOCUMENTS, MAPPED_TYPES, METADATA, SEGMENTS, STATUSES, VALUES


@dataclass(frozen=True)
class Column:
    """A column as expressions see it: `field` has the name that they use."""

    field: pa.Field
    stage: str | None
    """Name of the stage that writes it; None for the documents' own columns."""
    stored: str
    """Its name on disk."""


def document_columns(config: Config) -> list[Column]:
    """The documents' columns, with those of segments where there are any, and those mapped."""
    mapped = [pa.field(name, MAPPED_TYPES[kind]) for name, kind in config.mapped.items()]
    own = (*DOCUMENTS, *SEGMENTS) if config.segmented else DOCUMENTS
    fields = [
        _closed(field, [source.name for source in config.sources])
        if field.name == "source"
        else field
        for field in (*own, *mapped, METADATA)
    ]
    return [Column(field, None, field.name) for field in fields]


def stage_columns(name: str, stage: Stage) -> list[Column]:
    """The columns that a stage writes; a name other than its kind's stands before each."""
    prefix = "" if name == stage.kind else f"{name}."
    written = stage.status_column if isinstance(stage, RelationalStage) else None
    columns = [
        Column(field.with_name(prefix + field.name).with_nullable(True), name, field.name)
        for field in stage.schema()
        if field.name != written
    ]
    if isinstance(stage, MapStage) or written:
        status = _closed(pa.field(f"{name}_status", pa.string()), STATUSES)
        columns.append(Column(status, name, f"{stage.kind}_status"))
    return columns


def _closed(field: pa.Field, values: Sequence[str]) -> pa.Field:
    return field.with_metadata({VALUES: json.dumps(list(values)).encode()})
