"""How a batch that a stage does not survive is cut, and how long each piece of it may take."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.stages.base import MapStage

_PIECES = 16
"""A hang costs a limit a cut, a crash another load of the model: of 2000 rows four.

And one for the second try of the row that is found.
"""

_ROW_BYTES = 64
"""What a row is held to weigh besides its text, so that empty ones weigh something."""


def time_limit(stage: MapStage, batch: pa.RecordBatch) -> float:
    """Seconds after which a stage is held to hang on a batch."""
    seconds = stage.seconds * (1 + int(batch.nbytes) / (1 << 20))
    return max(seconds, stage.least_seconds())


class Pieces:
    """The rows of a batch, by the bytes of their texts, for which a model's time goes."""

    def __init__(self, stage: MapStage, batch: pa.RecordBatch) -> None:
        self._limit, self._least = time_limit(stage, batch), stage.least_seconds()
        weights = np.full(len(batch), _ROW_BYTES, np.int64)
        for column in batch.columns:
            if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
                weights += pc.fill_null(pc.binary_length(column), 0).to_numpy()
        self._sums: npt.NDArray[np.int64] = np.concatenate(
            [np.zeros(1, np.int64), weights.cumsum()]
        )

    def _weight(self, start: int, end: int) -> int:
        return int(self._sums[end] - self._sums[start])

    def limit(self, start: int, end: int) -> float:
        """Seconds for some rows: their share of the batch's, so that to search costs no more.

        A row that hangs costs the batch's limit and, cut by cut, a small share of it.
        """
        share = self._weight(start, end) / max(1, self._weight(0, len(self._sums) - 1))
        return max(self._least, self._limit * share)

    def cut(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Rows from `start` up to `end` in pieces, a heavy row by itself."""
        most = self._weight(start, end) / _PIECES
        first = start
        for row in range(start + 1, end):
            if self._weight(first, row + 1) > most:
                yield first, row
                first = row
        yield first, end
