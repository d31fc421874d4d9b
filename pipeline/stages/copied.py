"""Copies: documents that take the values of the one kept in their place, measured once for all."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from pipeline.stages.base import MapStage, RelationalStage

COPY_OF = "exact_duplicate_of"
"""The column that names the row that is kept in place of one with the same text."""

MEMBER_OF = "duplicate_of"
"""The column that names the row that is kept in place of a near duplicate, or of a copy."""


@dataclass(frozen=True, kw_only=True)
class Copied(RelationalStage):
    """A map stage that measures no row for which another is kept, then its values for those.

    A row that takes those of one that was measured has the status `copied`; of any other one, that
    one's status.
    """

    kind: ClassVar[str] = "copied"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("id",)
    keeps_map_half: ClassVar[bool] = True

    stage: MapStage
    copy_of: str
    """The column that names the row kept in place of another one."""

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
