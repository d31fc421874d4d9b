"""The stages of a configuration as the engine handles them: a map half, a relational half."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from pipeline.io.beside import Address
from pipeline.io.digests import text_key
from pipeline.stages.base import MapStage, RelationalStage, Stage
from pipeline.stages.copied import COPY_OF, Copied
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
    copy_of: Address | None = None
    """Where it is said which rows are copies of others, if the stage is to measure none."""
    half_of: str | None = None
    """The kind of the relational stage whose map half it is, by itself."""


@dataclass
class StageHalf:
    """A stage, or half of one, as the engine handles it."""

    name: str
    kind: str
    """That of the configured stage."""
    stage: Stage
    fingerprint: str
    reads: dict[str, Address]
    where: str | None
    where_reads: dict[str, Address]
    where_fields: dict[str, pa.Field]
    fields: dict[str, pa.DataType]
    copy_of: Address | None = None

    @property
    def needs(self) -> set[str]:
        """The stages whose columns it reads."""
        copies = (self.copy_of,) if self.copy_of else ()
        reads = (*self.reads.values(), *self.where_reads.values(), *copies)
        return {a.stage for a in reads if a.stage}

    @property
    def sliced(self) -> bool:
        """Whether it is measured in slices, which any number of processes share."""
        return isinstance(self.stage, MapStage) and self.stage.rows_per_slice() is not None

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
            self.copy_of,
        )


def stage_fingerprint(stage: Stage) -> str:
    """A stage's fingerprint, with that of its map half."""
    half = stage.map_half() if isinstance(stage, RelationalStage) else None
    own = fingerprint(stage)
    return own if half is None else text_key(own, fingerprint(half))[:16]


def halves(planned: PlannedStage) -> list[StageHalf]:
    """The stage as the engine handles it; a relational one after its map half."""
    whole = StageHalf(
        planned.name,
        planned.half_of or planned.stage.kind,
        planned.stage,
        fingerprint(planned.stage),
        {name: planned.addresses[name] for name in planned.stage.columns_read()},
        planned.where,
        {name: planned.addresses[name] for name in planned.where_columns},
        {name: planned.fields[name] for name in planned.where_columns},
        {name: planned.fields[name].type for name in planned.stage.columns_read()},
    )
    if isinstance(planned.stage, MapStage):
        return [whole] if planned.copy_of is None else _with_copies(planned, whole)
    assert isinstance(planned.stage, RelationalStage)
    half = planned.stage.map_half()
    if half is None:
        return [whole]
    first = replace(
        whole,
        name=planned.name + MAP_HALF,
        stage=half,
        fingerprint=fingerprint(half),
        reads={column: planned.addresses[column] for column in half.columns_read()},
        fields={column: planned.fields[column].type for column in half.columns_read()},
    )
    _read_half(whole, first.name, half.schema())
    whole.fingerprint = stage_fingerprint(planned.stage)
    return [first, whole]


def _with_copies(planned: PlannedStage, stage: StageHalf) -> list[StageHalf]:
    """A map stage over the rows that are no copies, and the relation that gives copies theirs."""
    assert isinstance(stage.stage, MapStage)
    assert planned.copy_of is not None
    copied = Copied(stage=stage.stage)
    first = replace(stage, name=planned.name + MAP_HALF, copy_of=planned.copy_of)
    second = replace(
        stage,
        stage=copied,
        fingerprint=stage_fingerprint(copied),
        reads={"id": Address(None, "id"), COPY_OF: planned.copy_of},
        # The map half has marked the copies that `where` admits.
        where=None,
        where_reads={},
        where_fields={},
        fields={"id": pa.string(), COPY_OF: pa.string()},
    )
    _read_half(second, first.name, copied.schema())
    return [first, second]


def _read_half(whole: StageHalf, name: str, schema: pa.Schema) -> None:
    for item in schema:
        whole.reads[item.name] = Address(name, item.name)
        whole.fields[item.name] = item.type
