"""The stages of a configuration as the engine handles them: a map half, a relational half."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from pipeline.io.beside import Address
from pipeline.io.digests import text_key
from pipeline.stages.base import MapStage, RelationalStage, Stage
from pipeline.stages.fingerprint import fingerprint
from pipeline.stages.sweep import MapWork

MAP_HALF = ".map"
"""Ends the name under which the map half of a relational stage is kept."""


@dataclass(frozen=True)
class PlannedStage:
    """A stage of the configuration, with the place and type of every column that it can see."""

    name: str
    stage: Stage
    where: str | None = None
    where_columns: tuple[str, ...] = ()
    addresses: Mapping[str, Address] = field(default_factory=dict)
    fields: Mapping[str, pa.Field] = field(default_factory=dict)


@dataclass
class StageHalf:
    """A stage, or half of one, as the engine handles it."""

    name: str
    stage: Stage
    fingerprint: str
    reads: dict[str, Address]
    where: str | None
    where_reads: dict[str, Address]
    where_fields: dict[str, pa.Field]
    fields: dict[str, pa.DataType]

    @property
    def needs(self) -> set[str]:
        """The stages whose columns it reads."""
        return {a.stage for a in (*self.reads.values(), *self.where_reads.values()) if a.stage}

    def work(self) -> MapWork:
        """A map stage as its tasks need it."""
        assert isinstance(self.stage, MapStage)
        return MapWork(
            self.name,
            self.stage,
            self.fingerprint,
            self.reads,
            self.where,
            self.where_reads,
            self.where_fields,
        )


def stage_fingerprint(stage: Stage) -> str:
    """A stage's fingerprint, with that of its map half."""
    half = stage.map_half() if isinstance(stage, RelationalStage) else None
    own = fingerprint(stage)
    return own if half is None else text_key(own, fingerprint(half))[:16]


def halves(planned: PlannedStage) -> list[StageHalf]:
    """The stage as the engine handles it; a relational one after its map half."""
    where_reads = {name: planned.addresses[name] for name in planned.where_columns}
    where_fields = {name: planned.fields[name] for name in planned.where_columns}
    reads = {name: planned.addresses[name] for name in planned.stage.reads}
    fields = {name: planned.fields[name].type for name in planned.stage.reads}
    whole = StageHalf(
        planned.name,
        planned.stage,
        fingerprint(planned.stage),
        reads,
        planned.where,
        where_reads,
        where_fields,
        fields,
    )
    if not isinstance(planned.stage, RelationalStage):
        return [whole]
    half = planned.stage.map_half()
    if half is None:
        return [whole]
    name = planned.name + MAP_HALF
    for item in half.schema():
        reads[item.name], fields[item.name] = Address(name, item.name), item.type
    whole.fingerprint = stage_fingerprint(planned.stage)
    first = replace(
        whole,
        name=name,
        stage=half,
        fingerprint=fingerprint(half),
        reads={column: planned.addresses[column] for column in half.reads},
        fields={column: planned.fields[column].type for column in half.reads},
    )
    return [first, whole]
