"""How many rows of a part a stage may fail on before the part is given up."""

from collections import Counter
from collections.abc import Callable

from pipeline.io.workspace import DocumentsPart
from pipeline.stages.isolated import CulpritError
from schemas.errors import WinnowError

LOST = ("crashed", "timeout")
"""The statuses of rows that a stage does not survive."""

FEW_LOST = 10
"""So many rows of a part may fail a stage, or hang it, before the part is given up ..."""

LARGEST_SHARE_LOST = 0.01
"""... or so many of all its rows, if they don't hang."""


class Losses:
    """The rows of a part that a stage does not survive, counted; too many are the stage's fault."""

    def __init__(
        self,
        stage: str,
        part: DocumentsPart,
        before: Callable[[], Counter[str]] = lambda: Counter(),
    ) -> None:
        """`before` counts, by status, those that are lost already, whoever has measured them."""
        self._stage, self._part, self._before = stage, part, before
        self._lost: Counter[str] = Counter()

    def add(self, culprit: CulpritError) -> None:
        """One more; WinnowError where they are too many."""
        self._lost[culprit.status] += 1
        lost = self._lost + self._before()
        many = max(FEW_LOST, LARGEST_SHARE_LOST * self._part.rows)
        if lost.total() > many or lost["timeout"] > FEW_LOST:
            raise WinnowError(
                f"stage {self._stage} fails on {lost.total()} rows of part "
                f"{self._part.part} and more ({culprit}): that is the stage, not the rows"
            )
