"""What all rater stages share: of which documents they rate one for all."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pipeline.stages.base import OPERATION, MapStage

Rate = Literal["all", "representatives"]
"""Which of near duplicates are rated."""


@dataclass(frozen=True, kw_only=True)
class RaterStage(MapStage):
    """A stage that rates each document by itself, or one of each cluster for all of it."""

    rate: Annotated[Rate, OPERATION] = "all"
    """representatives: of near duplicates the one that is kept, whose values the others take."""

    def measures_members(self) -> bool:
        """Unless only representatives are rated."""
        return self.rate == "all"
