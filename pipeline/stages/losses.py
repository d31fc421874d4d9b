"""How many rows of a part a stage may fail on before the part is given up."""

from collections import Counter

from pipeline.io.workspace import DocumentsPart
from pipeline.stages.isolated import CulpritError
from schemas.errors import WinnowError

FEW_LOST = 10
"""So many rows of a part may fail a stage, or hang it, before the part is given up ..."""

LARGEST_SHARE_LOST = 0.01
"""... or so many of all its rows, if they don't hang."""


class Losses:
    """The rows of a part that a stage does not survive, counted; too many are the stage's fault."""

    def __init__(self, stage: str, part: DocumentsPart) -> None:
        self._stage, self._part = stage, part
        self._lost: Counter[str] = Counter()

    def add(self, culprit: CulpritError) -> None:
        """One more; WinnowError where they are too many."""
        self._lost[culprit.status] += 1
        many = max(FEW_LOST, LARGEST_SHARE_LOST * self._part.rows)
        if self._lost.total() > many or self._lost["timeout"] > FEW_LOST:
            raise WinnowError(
                f"stage {self._stage} fails on {self._lost.total()} rows of part "
                f"{self._part.part} and more ({culprit}): that is the stage, not the rows"
            )
