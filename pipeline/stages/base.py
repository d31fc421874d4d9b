"""What a stage is: a frozen dataclass that is its own configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
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

    def schema(self) -> pa.Schema:
        """The columns that the stage writes, without the status column."""
        raise NotImplementedError

    def file_of(self, value: str) -> str:
        """The path of what a parameter of type File names."""
        return value

    def versions(self) -> dict[str, str]:
        """By name, the versions of `libraries`."""
        return {name: version(name) for name in self.libraries}

    def check(self) -> None:
        """Raise ValueError, before any work, where the parameters can't be used together."""


@dataclass(frozen=True, kw_only=True)
class MapStage(Stage):
    """Measures each document by itself."""

    seconds: ClassVar[float] = 60
    """A batch may take this long, and as long again for each MiB that it holds."""

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

    def map_half(self) -> MapStage | None:
        """The measurement, document by document, that the relation is computed from."""
        return None
