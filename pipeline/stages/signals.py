"""Text signals: the measures behind published filters, and the filters' verdicts."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from pipeline.stages.base import MapStage
from pipeline.stages.texts import utf8
from pipeline.text.measures import MEASURES

_TYPES = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}


@dataclass(frozen=True, kw_only=True)
class Signals(MapStage):
    """Every measure of the Gopher, C4 and FineWeb rules; verdicts are true where a text passes."""

    kind: ClassVar[str] = "signals"
    # Raised with the Unicode version of pipeline.text.character_table as well.
    version: ClassVar[int] = 4
    reads: ClassVar[tuple[str, ...]] = ("text",)
    # The first batch on a machine compiles the kernels, or waits for the process that does.
    seconds: ClassVar[float] = 180

    def schema(self) -> pa.Schema:
        """Counts as integers, shares as doubles, verdicts as booleans."""
        return pa.schema([pa.field(name, _TYPES[kind]) for name, kind in MEASURES.items()])

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Measure the texts."""
        from pipeline.text.signals import measure

        found = measure(*utf8(batch.column("text")))
        columns = [
            pa.array(found[field.name].values, field.type, mask=found[field.name].is_null)
            for field in self.schema()
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema())
