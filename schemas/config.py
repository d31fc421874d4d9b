"""The frame of the configuration file; stages' and samplers' parameters are bound in jobs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
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

from schemas.tables import DEFAULT_MAPPED_TYPES, DOCUMENTS, METADATA

MAPPABLE = ("text", "url", "source_id")
"""Documents columns that a source may take from its records; Winnow gives the others itself."""

WRITE_FORMATS = ("parquet", "jsonl", "mds", "megatron", "tokens", "huggingface")
"""The formats of a mixture's shards."""

TOKENIZED_FORMATS = ("megatron", "tokens")
"""Those that hold ids of tokens in place of text."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)]
ColumnName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
Text = Annotated[str, StringConstraints(min_length=1)]


class Frame(BaseModel):
    """What all parts of the configuration have in common: frozen, strict, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


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


def _sampler_schema(schema: JsonDict) -> None:
    """Put the way that a sampler is written in place of the fields that it is unfolded to."""
    del cast("JsonDict", schema["properties"])["parameters"]
    schema["additionalProperties"] = True


class MappedColumn(Frame):
    """Where the records keep a column (`key`) and the type it has in the documents."""

    key: Text
    type: Literal["string", "int", "float", "bool", "timestamp"] | None = None


Column = Annotated[
    MappedColumn, BeforeValidator(_mapped_column, json_schema_input_type=Text | MappedColumn)
]


class Source(Frame):
    """Files that hold documents, and how to read them."""

    name: Name
    path: Annotated[
        tuple[Text, ...],
        BeforeValidator(_paths, json_schema_input_type=Text | tuple[Text, ...]),
        Field(min_length=1),
    ]
    format: Text | None = None
    columns: dict[ColumnName, Column] = {}
    unit: Literal["file", "line"] | None = None
    extractor: Text | None = None

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
    parameters: dict[str, JsonValue] = {}

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


class SamplerEntry(Frame):
    """A sampler's method and its parameters, written side by side."""

    model_config = ConfigDict(json_schema_extra=_sampler_schema)

    method: Text
    parameters: dict[str, JsonValue] = {}

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        parameters = {key: item for key, item in value.items() if key != "method"}
        head = {"method": value["method"]} if "method" in value else {}
        return {**head, "parameters": parameters}

    @model_serializer(mode="plain")
    def _fold(self) -> dict[str, JsonValue]:
        return {"method": self.method, **self.parameters}


def _write_format(value: str) -> str:
    if value in WRITE_FORMATS:
        return value
    raise PydanticCustomError(
        "value", "no format '{value}'", {"value": value, "names": list(WRITE_FORMATS)}
    )


def _quotas(value: str) -> str:
    if value in ("proportional", "equal") or value.endswith(".csv"):
        return value
    raise PydanticCustomError(
        "value", "should be 'proportional', 'equal' or a file of quotas, NAME.csv"
    )


class Write(Frame):
    """How the selected documents are written."""

    format: Annotated[str, AfterValidator(_write_format)] = "parquet"
    style: Literal["olmo_core", "datatrove"] = "olmo_core"
    """Whose flat files of token ids, for the format `tokens`."""
    shard_tokens: Annotated[int, Field(gt=0)] | None = None
    """About how many tokens a shard holds; by default it holds 256 MB of text."""
    ids: bool | None = None
    """Whether `<shard>.ids.parquet` lies beside each shard; parquet does without by default."""
    eod_token: Text | None = None
    """The token that ends a document; by default the one that the tokenizer names."""
    blocks: Annotated[int, Field(ge=1, le=65_536)] = 192
    """Into how many blocks a split is cut for readers; their ranks must divide it."""


class Mixture(Frame):
    """A selection made from columns, and how it is written."""

    name: Name
    where: Text | None = None
    unique: Text | None = None
    score: Text | None = None
    sampler: SamplerEntry | None = None
    """By default top_k where there is a score, else uniform."""
    strata: tuple[Text, ...] = ()
    recipe: Text | None = None
    """A published selection, whose keys the mixture has unless it says otherwise."""
    quotas: Annotated[str, AfterValidator(_quotas)] = "proportional"
    proportional_to: Literal["pool", "corpus"] = "pool"
    """Whose shares `proportional` means: of what passes `where` and `unique`, or of everything."""
    fit_from: Text | None = None
    """A mixture, by its name or folder, whose statistics of the strata are used again."""
    tokens: Annotated[int, Field(gt=0)] | None = None
    """The budget, in `budget_unit`s; without it everything eligible is taken."""
    budget_unit: Literal["tokens", "bytes"] = "tokens"
    tokenizer: Text | None = None
    shortfall: Literal["redistribute", "repeat", "fail"] = "redistribute"
    max_repeats: Annotated[int, Field(ge=1)] | None = None
    eod: bool | None = None
    """Whether a token that ends each document is counted, and written; by default where ids are."""
    layout: Literal["mixed", "per_stratum"] = "mixed"
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of documents held out of training, duplicates together."""
    write: Write = Write()

    @property
    def ends(self) -> bool:
        """Whether each document ends with a token that counts."""
        return self.write.format in TOKENIZED_FORMATS if self.eod is None else self.eod

    @model_validator(mode="after")
    def _belongs_together(self) -> "Mixture":
        if self.tokens is not None and self.budget_unit == "tokens" and self.tokenizer is None:
            raise PydanticCustomError(
                "tokenizer",
                "a budget in tokens needs `tokenizer`, which says whose tokens are counted"
                " (`shipped` = the one that comes with Winnow)",
                {"key": "tokens"},
            )
        if self.ends and self.tokenizer is None:
            named = "eod" if self.eod else "write"
            raise PydanticCustomError(
                "tokenizer", "ids of tokens need `tokenizer`, which says whose", {"key": named}
            )
        if (self.shortfall == "repeat") != (self.max_repeats is not None):
            raise PydanticCustomError(
                "max_repeats",
                "`shortfall: repeat` and `max_repeats` go together",
                {"key": "shortfall" if self.max_repeats is None else "max_repeats"},
            )
        return self


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
    fixed = {*DOCUMENTS.names, METADATA.name} - set(MAPPABLE)
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


FRAMES: Mapping[tuple[str, ...], type[Frame]] = MappingProxyType(
    {
        (): Config,
        ("sources",): Source,
        ("sources", "columns"): MappedColumn,
        ("mixtures",): Mixture,
        ("mixtures", "write"): Write,
    }
)
"""The model behind each place of the file, so that an unknown key's nearest name can be said."""
