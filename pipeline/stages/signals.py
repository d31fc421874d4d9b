"""Text signals: the measures behind published filters, and the filters' verdicts."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from pipeline.stages.base import MapStage


@dataclass(frozen=True, kw_only=True)
class Signals(MapStage):
    """Every measure of the Gopher, C4 and FineWeb rules; verdicts are true where a text passes."""

    kind: ClassVar[str] = "signals"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("text",)
    libraries: ClassVar[tuple[str, ...]] = ("regex",)

    def schema(self) -> pa.Schema:
        """Counts as integers, shares as doubles, verdicts as booleans."""
        from pipeline.text.signals import measure

        kinds = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
        example = measure("One line of plain words.\n\nAnd one more line of words.")
        return pa.schema([pa.field(name, kinds[type(value)]) for name, value in example.items()])

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Measure each text."""
        from pipeline.text.signals import measure

        rows = [measure(text) for text in batch.column("text").to_pylist()]
        return pa.RecordBatch.from_pylist(rows, self.schema())
