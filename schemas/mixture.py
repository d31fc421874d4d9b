"""The frame of a mixture in the configuration."""

from typing import Annotated, Literal, cast

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    JsonValue,
    model_serializer,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from schemas.frame import Frame, Name, Text

WRITE_FORMATS = ("parquet", "jsonl", "mds", "megatron", "tokens", "huggingface")
"""The formats of a mixture's shards."""

TOKENIZED_FORMATS = ("megatron", "tokens")
"""Those that hold ids of tokens in place of text."""


def _sampler_schema(schema: JsonDict) -> None:
    """Put the way that a sampler is written in place of the fields that it is unfolded to."""
    del cast("JsonDict", schema["properties"])["parameters"]
    schema["additionalProperties"] = True


class SamplerEntry(Frame):
    """A sampler's method and its parameters, written side by side."""

    model_config = ConfigDict(json_schema_extra=_sampler_schema)

    method: Text
    parameters: dict[str, JsonValue] = Field(default={})

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
    edits: Text | None = None
    """A stage `edits`, whose edited texts are written in place of the stored ones."""
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
