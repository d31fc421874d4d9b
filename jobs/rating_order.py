"""Of which rows a stage measures one for all: copies, and members of clusters."""

from collections.abc import Sequence

from jobs.binding import BoundStage
from jobs.parameters import Problem
from pipeline.io.beside import Address
from pipeline.stages.base import MapStage
from pipeline.stages.copied import COPY_OF, MEMBER_OF


def kept_row(stage: BoundStage, before: Sequence[BoundStage]) -> Address | None:
    """What names the row kept in another's place, where the stage is to measure kept rows alone."""
    if not isinstance(stage.stage, MapStage):
        return None
    if not stage.stage.measures_members():
        return _last(before, "fuzzy_dedup", MEMBER_OF)
    return None if stage.stage.measures_copies else _last(before, "exact_dedup", COPY_OF)


def _last(before: Sequence[BoundStage], kind: str, column: str) -> Address | None:
    found = [other.name for other in before if other.stage.kind == kind]
    return Address(found[-1], column) if found else None


def without_clusters(stage: BoundStage, before: Sequence[BoundStage]) -> list[Problem]:
    """The problem of a stage that is to measure one document a cluster where none are found."""
    if not isinstance(stage.stage, MapStage) or stage.stage.measures_members():
        return []
    if any(other.stage.kind == "fuzzy_dedup" for other in before):
        return []
    text = (
        "representatives are told by a stage `fuzzy_dedup` before this one, and there is none; "
        "add `- fuzzy_dedup: {}` after `- exact_dedup: {}`"
    )
    return [(("rate",), text)]
