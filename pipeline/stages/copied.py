"""Copies: documents whose text is another one's take its values, so that it is measured once."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from pipeline.stages.base import MapStage, RelationalStage

COPY_OF = "exact_duplicate_of"
"""The column that names the row that is kept in place of another one."""


@dataclass(frozen=True, kw_only=True)
class Copied(RelationalStage):
    """A map stage that measures no copies, followed by its values for them.

    A copy of a row that was measured has the status `copied`; of any other row, that row's status.
    """

    kind: ClassVar[str] = "copied"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("id",)
    keeps_map_half: ClassVar[bool] = True

    stage: MapStage

    @property
    def status_column(self) -> str:
        """That of the map stage."""
        return f"{self.stage.kind}_status"

    def schema(self) -> pa.Schema:
        """The columns of the map stage, and its status."""
        return self.stage.schema().append(pa.field(self.status_column, pa.string()))

    def map_half(self) -> MapStage:
        """The stage."""
        return self.stage
