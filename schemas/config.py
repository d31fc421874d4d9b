"""The frame of the configuration file; stages' and samplers' parameters are bound in jobs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_serializer,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from schemas.frame import ColumnName, Frame, Name, Text
from schemas.mixture import Mixture, Write
from schemas.tables import DEFAULT_MAPPED_TYPES, DOCUMENTS, METADATA, SEGMENTS

MAPPABLE = ("text", "url", "source_id")
"""Documents columns that a source may take from its records; Winnow gives the others itself."""


def _mapped_column(value: object) -> object:
    return {"key": value} if isinstance(value, str) else value


def _paths(value: object) -> object:
    return (
        (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
    )


def _stage_schema(schema: JsonDict) -> None:
    """Put the way that a stage is written in place of the fields that it is unfolded to."""
    fields = cast("JsonDict", schema.pop("properties"))
    given: JsonDict = {
        "type": ["object", "null"],
        "properties": {"name": fields["name"], "where": fields["where"]},
    }
    schema.update(additionalProperties=given, minProperties=1, maxProperties=1)
    del schema["required"]


class MappedColumn(Frame):
    """Where the records keep a column (`key`) and the type it has in the documents."""

    key: Text
    type: Literal["string", "int", "float", "bool", "timestamp", "ranges"] | None = None


Column = Annotated[
    MappedColumn, BeforeValidator(_mapped_column, json_schema_input_type=Text | MappedColumn)
]


class Segment(Frame):
    """Documents are cut into segments of so many tokens."""

    tokenizer: Text
    tokens: Annotated[int, Field(gt=0)] = 1024
    remainder: Literal["drop", "keep"] = "drop"


class Source(Frame):
    """Files that hold documents, and how to read them."""

    name: Name
    path: Annotated[
        tuple[Text, ...],
        BeforeValidator(_paths, json_schema_input_type=Text | tuple[Text, ...]),
        Field(min_length=1),
    ]
    format: Text | None = None
    columns: dict[ColumnName, Column] = Field(default={})
    unit: Literal["file", "line"] | None = None
    extractor: Text | None = None
    segment: Segment | None = None

    @property
    def mapped(self) -> dict[str, str]:
        """Type by name of the columns that this source adds to the documents."""
        return {
            name: column.type or DEFAULT_MAPPED_TYPES.get(name, "string")
            for name, column in self.columns.items()
            if name not in DOCUMENTS.names
        }


class StageEntry(Frame):
    """One stage; written as a mapping with the kind as its only key."""

    model_config = ConfigDict(json_schema_extra=_stage_schema)

    kind: str
    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
    where: Text | None = None
    parameters: dict[str, JsonValue] = Field(default={})

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, value: object) -> object:
        if not isinstance(value, dict) or len(value) != 1:
            raise PydanticCustomError(
                "stage_entry", "should be one stage: a mapping with the stage's kind as only key"
            )
        ((kind, given),) = value.items()
        if not isinstance(given, dict | None):
            raise PydanticCustomError(
                "stage_entry", "the parameters should be a mapping, {} for defaults"
            )
        parameters = dict(given or {})
        where = parameters.pop("where", None)
        name = parameters.pop("name", kind)
        return {"kind": kind, "name": name, "where": where, "parameters": parameters}

    @model_serializer(mode="plain")
    def _fold(self) -> dict[str, JsonValue]:
        given: dict[str, JsonValue] = {} if self.name == self.kind else {"name": self.name}
        if self.where is not None:
            given["where"] = self.where
        return {self.kind: {**given, **self.parameters}}


_Entry = TypeVar("_Entry", Source, StageEntry, Mixture)


def _distinct(entries: tuple[_Entry, ...]) -> tuple[_Entry, ...]:
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        if entry.name in seen:
            raise PydanticCustomError(
                "duplicate_name",
                "the name '{name}' is taken by an earlier entry; give this one another `name`",
                {"name": entry.name, "key": index},
            )
        seen.add(entry.name)
    return entries


def _mappable(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    fixed = {*DOCUMENTS.names, METADATA.name, "copy"} - set(MAPPABLE)  # mixtures have `copy`
    if any(source.segment for source in sources):
        fixed |= set(SEGMENTS.names)
    first: dict[str, tuple[str, str]] = {}
    for index, source in enumerate(sources):
        for name, column in source.columns.items():
            key = f"{index}.columns.{name}"
            if name in fixed or (name in MAPPABLE and column.type not in (None, "string")):
                problem = "given by Winnow itself" if name in fixed else "always a string"
                raise PydanticCustomError(
                    "mapped_column", f"the column '{name}' is {problem}", {"key": key}
                )
        for name, kind in source.mapped.items():
            other, known = first.setdefault(name, (source.name, kind))
            if kind != known:
                raise PydanticCustomError(
                    "mapped_column",
                    f"the column '{name}' is {kind} here, but {known} in the source '{other}'",
                    {"key": f"{index}.columns.{name}"},
                )
    return sources


class Config(Frame):
    """The whole configuration file."""

    workspace: Text
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    sources: Annotated[
        tuple[Source, ...],
        Field(min_length=1),
        AfterValidator(_distinct),
        AfterValidator(_mappable),
    ]
    stages: Annotated[tuple[StageEntry, ...], AfterValidator(_distinct)] = ()
    mixtures: Annotated[tuple[Mixture, ...], AfterValidator(_distinct)] = ()
    max_rejects: Annotated[float, Field(ge=0, le=1)] = 0.05
    """The largest share of records of one source that may be rejects."""
    max_document_bytes: Annotated[int, Field(gt=0)] = 20_000_000
    part_bytes: Annotated[int, Field(gt=0)] = 512_000_000

    @property
    def mapped(self) -> dict[str, str]:
        """Type by name of the columns that any source adds to the documents."""
        return {name: kind for source in self.sources for name, kind in source.mapped.items()}

    @property
    def segmented(self) -> bool:
        """Whether any source's documents are segments, so that there are their columns."""
        return any(source.segment for source in self.sources)


FRAMES: Mapping[tuple[str, ...], type[Frame]] = MappingProxyType(
    {
        (): Config,
        ("sources",): Source,
        ("sources", "columns"): MappedColumn,
        ("sources", "segment"): Segment,
        ("mixtures",): Mixture,
        ("mixtures", "write"): Write,
    }
)
"""The model behind each place of the file, so that an unknown key's nearest name can be said."""
