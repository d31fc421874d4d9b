"""What a stage is: a frozen dataclass that is its own configuration."""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import pyarrow as pa
from pydantic import ConfigDict

File = Annotated[str, "file"]
"""A parameter that names a file: relative to the configuration, digested into the fingerprint."""

OPERATION = "operation"
"""Marks a parameter, Annotated[int, OPERATION], that decides how the work is done and no value."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A named, versioned measurement; its fields are its parameters."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    kind: ClassVar[str]
    """The name that configurations use, and the default name of the stage's columns."""
    version: ClassVar[int]
    """Raised whenever the values that the stage writes change."""
    reads: ClassVar[tuple[str, ...]]
    """Columns of the documents (or of earlier stages) that `apply` needs, in this order."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Distributions whose version can change the values; part of the fingerprint."""

    @classmethod
    def suited(cls, parameters: Mapping[str, object]) -> "type[Stage]":
        """The class of the stage that has these parameters, where a kind has several."""
        return cls

    def schema(self) -> pa.Schema:
        """The columns that the stage writes, without the status column."""
        raise NotImplementedError

    def file_of(self, value: str) -> str:
        """The path of what a parameter of type File names."""
        return value

    def versions(self) -> dict[str, str]:
        """By name, the versions of `libraries`."""
        return {name: importlib.metadata.version(name) for name in self.libraries}

    def columns_read(self) -> tuple[str, ...]:
        """The columns that it needs: those of `reads`, where no parameter names others."""
        return self.reads

    def check(self) -> None:
        """Raise ValueError, before any work, where the parameters can't be used together."""

    def check_types(self, types: Mapping[str, pa.DataType]) -> None:
        """Raise ValueError, before any work, where columns that it reads have other types."""


@dataclass(frozen=True, kw_only=True)
class MapStage(Stage):
    """Measures each document by itself."""

    seconds: ClassVar[float] = 60
    """A batch may take this long, and as long again for each MiB that it holds."""
    load_seconds: ClassVar[float] = 1800
    """`load` may take this long."""
    measures_copies: ClassVar[bool] = True
    """False: documents whose text is the same share the values of the one that is kept.

    Only where an exact_dedup stage comes before; measuring a copy would give the same again.
    """
    tokens_column: ClassVar[str | None] = None
    """The column written that says how many tokens a model has read, for rates and forecasts."""

    def rows_per_slice(self) -> int | None:
        """So many documents of a part are committed at a time; None: a part is, as a whole.

        A stage is cut in slices where measuring a part takes so long that losing one would hurt.
        """
        return None

    def accelerated(self) -> bool:
        """Whether it runs on a GPU of this machine: a forecast then tells of GPU hours."""
        return False

    def load(self) -> None:
        """Load what `apply` needs, so that no batch's time is spent on it."""

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The columns of `schema()` for a batch of the columns `reads`, row by row.

        Every row that reaches `apply` is to be measured. The result may carry one more column,
        `status`, with values of schemas.tables.STATUSES; without it every row is `ok`.
        """
        raise NotImplementedError

    def remarks(self, columns: pa.RecordBatch) -> Mapping[str, int]:
        """What a run should say of these columns beside their statuses: words -> documents."""
        return {}


@dataclass(frozen=True, kw_only=True)
class RelationalStage(Stage):
    """Measures documents against each other; pipeline.spark holds the relation itself."""

    defaults: ClassVar[dict[str, str]] = {}
    """For a row that the relation leaves out: column written -> documents column it equals."""
    constants: ClassVar[dict[str, object]] = {}
    """For a row that the relation leaves out: column written -> its value; null else."""
    keeps_map_half: ClassVar[bool] = False
    """For a row that the relation leaves out: whether the map half's columns are its own."""

    @property
    def status_column(self) -> str | None:
        """The column that says what became of each row; None: every row in `where` is ok."""
        return None

    def map_half(self) -> MapStage | None:
        """The measurement, document by document, that the relation is computed from."""
        return None
