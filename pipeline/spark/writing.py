"""Writing a mixture: the selected text moves once, in the order of a hash, into shards."""

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.export.data_sets import TRAIN, VALIDATION, plan_data_sets
from pipeline.export.formats import DataSet, Shard
from pipeline.export.shards import (
    TRACED_PREFIX,
    ShardForm,
    Tally,
    carried_schema,
    cut_shards,
    mixture_schema,
    shard_of,
    write_shard,
)
from pipeline.io.beside import Place
from pipeline.io.digests import canonical_json
from pipeline.io.edits import Edits
from pipeline.io.parts import cast_column
from pipeline.io.store import check_shared, open_store
from pipeline.select.bins import Plan
from pipeline.select.draws import draws
from pipeline.spark.frames import Batches, by_place, gathered, runs, told
from pipeline.spark.slim import SelectionSource, signed, unsigned
from schemas.errors import WinnowError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SHARD_BYTES = 256 << 20
"""A shard holds about this many bytes of text."""

_SHARD, _ORDER = f"{TRACED_PREFIX}shard", f"{TRACED_PREFIX}order"
"""Under names that no column has."""

_KEPT = pa.schema(
    [
        pa.field("part", pa.int64()),
        pa.field("row", pa.int64()),
        pa.field("copy", pa.int32()),
        pa.field("order", pa.int64()),
        pa.field("n_tokens", pa.int64()),
        pa.field("n_bytes", pa.int64()),
        pa.field("stratum", pa.string()),
        pa.field("set", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Written:
    """What writing made: every data set with its shards, and what the rows add up to."""

    data_sets: tuple[DataSet, ...]
    tally: Tally


class Writing:
    """Shards of the rows that a plan keeps, as KEPT_ROWS has them."""

    def __init__(
        self,
        spark: "SparkSession",
        source: SelectionSource,
        places: Sequence[Place],
        rows: "DataFrame",
    ) -> None:
        self._spark, self._source = spark, source
        self._places, self._rows = places, rows

    def write(self, plan: Plan) -> Written:
        """Fetch the selected text, order it by hash, and cut it into shards."""
        mixture = self._source.plan
        strata = [cut.stratum for cut in plan.strata]
        sets = plan_data_sets(strata, mixture.per_stratum, mixture.validation > 0)
        kept = self._kept(sets).persist()
        try:
            return self._shards(kept, sets, self._boundaries(kept))
        finally:
            kept.unpersist()

    def _kept(self, sets: Sequence[DataSet]) -> "DataFrame":
        from pyspark.sql.pandas.types import from_arrow_schema

        seed = self._source.plan.seed

        def keep(batches: Batches) -> Batches:
            for batch in batches:
                held = batch.column("held_out").to_numpy(zero_copy_only=False)
                copies = batch.column("copies").to_numpy()
                copies = np.where(held, np.minimum(copies, 1), copies)
                for copy in range(int(copies.max(initial=0))):
                    chosen = batch.filter(pa.array(copies > copy))
                    order = signed(draws(seed, f"order {copy}", chosen.column("id")))
                    columns = {
                        "copy": pa.array(np.full(len(chosen), copy, np.int32)),
                        "order": pa.array(order),
                        "set": _set_numbers(chosen, sets),
                    }
                    names = ("part", "row", "n_tokens", "n_bytes", "stratum")
                    columns |= {name: chosen.column(name) for name in names}
                    arrays = [columns[name] for name in _KEPT.names]
                    yield pa.RecordBatch.from_arrays(arrays, schema=_KEPT)

        return self._rows.mapInArrow(keep, from_arrow_schema(_KEPT))

    def _boundaries(self, kept: "DataFrame") -> dict[int, list[int]]:
        """Where the shards of each data set that has rows begin, in the range of the hash."""
        target = self._source.plan.shard_tokens
        unit = "n_bytes" if target is None else "n_tokens"

        def histogram(batches: Batches) -> Iterator[str]:
            total: dict[int, np.ndarray] = defaultdict(lambda: np.zeros(1 << 16, np.int64))
            for batch in batches:
                order = unsigned(batch.column("order").to_numpy()) >> np.uint64(48)
                sizes, sets = batch.column(unit).to_numpy(), batch.column("set").to_numpy()
                for number in np.unique(sets):
                    mine = sets == number
                    np.add.at(total[int(number)], order[mine].astype(np.int64), sizes[mine])
            for number, sums in total.items():
                places = np.flatnonzero(sums)
                yield json.dumps([number, places.tolist(), sums[places].tolist()])

        total: dict[int, np.ndarray] = defaultdict(lambda: np.zeros(1 << 16, np.int64))
        for text in told(kept, f"mixture {self._source.plan.name}: cuts", histogram):
            number, places, sizes = json.loads(text)
            total[number][places] += np.array(sizes, np.int64)
        return {
            number: cut_shards(total[number], target or SHARD_BYTES) for number in sorted(total)
        }

    def _shards(
        self, kept: "DataFrame", sets: Sequence[DataSet], boundaries: Mapping[int, Sequence[int]]
    ) -> Written:
        from pyspark.sql.pandas.types import from_arrow_schema

        if not boundaries:
            return Written(tuple(sets), Tally())
        source, mixture = self._source, self._source.plan
        schema = mixture_schema(mixture.written)
        edits = mixture.edits.counted if mixture.edits else {}
        form = ShardForm(mixture.format, schema, mixture.ids, mixture.selection.eod, edits)
        carried = pa.schema(
            [
                pa.field(_SHARD, pa.int64()),
                pa.field(_ORDER, pa.int64()),
                *carried_schema(schema),
            ]
        )
        begins, owners = _numbered(boundaries)
        # Spark would take a dot in a column's name for a field of a struct.
        names = [f"c{number}" for number in range(len(carried))]
        plain = pa.schema([f.with_name(n) for f, n in zip(carried, names, strict=True)])
        keys = [names[carried.get_field_index(n)] for n in (_SHARD, _ORDER, "id", "copy")]
        fetched = gathered(self._spark, self._places, kept).mapInArrow(
            _fetch(source, boundaries, begins, carried, names), from_arrow_schema(plain)
        )
        ordered = fetched.repartition(len(owners), keys[0]).sortWithinPartitions(*keys)
        folder = f"mixtures/{mixture.name}"
        label = f"mixture {mixture.name}: write"

        def write(batches: Batches) -> Iterator[str]:
            store = open_store(source.workspace)
            check_shared(store)
            for key, run in itertools.groupby(runs(batches), key=lambda item: item[0]):
                number = int(str(key))
                owner = owners[number]
                stem = sets[owner].name(f"shard-{number - begins[owner]:05d}")
                rows = (batch.rename_columns(carried.names) for _, batch in run)
                shard, tally = write_shard(store, folder, stem, form, rows)
                yield canonical_json([number, shard.to_json(), tally.to_json()])

        return _collected(sets, owners, told(ordered, label, write))


def _set_numbers(chosen: pa.RecordBatch, sets: Sequence[DataSet]) -> pa.Array:
    """The data set of each row."""
    numbers = {(data.split, data.stratum): number for number, data in enumerate(sets)}
    whole = sets[0].stratum is None
    held, strata = chosen.column("held_out").to_pylist(), chosen.column("stratum").to_pylist()
    found = [
        numbers[VALIDATION if out else TRAIN, None if whole else stratum]
        for out, stratum in zip(held, strata, strict=True)
    ]
    return pa.array(found, pa.int64())


def _numbered(boundaries: Mapping[int, Sequence[int]]) -> tuple[dict[int, int], list[int]]:
    """The number of each data set's first shard, and each shard's data set."""
    begins: dict[int, int] = {}
    owners: list[int] = []
    for number, marks in boundaries.items():
        begins[number] = len(owners)
        owners += [number] * (len(marks) + 1)
    return begins, owners


def _collected(sets: Sequence[DataSet], owners: Sequence[int], texts: Sequence[str]) -> Written:
    shards: dict[int, list[Shard]] = defaultdict(list)
    tally = Tally()
    for number, shard, part in sorted(json.loads(text) for text in texts):
        owner = owners[number]
        shards[owner].append(Shard.from_json({**shard, "stratum": sets[owner].stratum}))
        tally = tally + Tally.from_json(part)
    found = [replace(data, shards=tuple(shards[n])) for n, data in enumerate(sets)]
    return Written(tuple(found), tally)


def _fetch(
    source: SelectionSource,
    boundaries: Mapping[int, Sequence[int]],
    begins: Mapping[int, int],
    schema: pa.Schema,
    stored: Sequence[str],
) -> Callable[[Batches], Batches]:
    """Reads the text of the rows that are kept, part by part, row group by row group."""
    prefix, known = TRACED_PREFIX, source.plan.addresses
    kept = ("copy", "n_tokens", f"{prefix}stratum")
    traced = {f"{prefix}{name}": name for name in ("domain", "license") if name in known}
    names = [n for n in schema.names if not n.startswith(prefix)]
    names = [name for name in names if name not in kept]
    edits = source.plan.edits.edits if source.plan.edits else None
    names += [n for n in (*traced.values(), *(edits.columns if edits else ())) if n not in names]

    def fetch(batches: Batches) -> Batches:
        for place, wanted in by_place(batches):
            for start, batch in source.read(place, names) if len(wanted) else ():
                rows = wanted.column("row").combine_chunks()
                inside = pc.and_(pc.greater_equal(rows, start), pc.less(rows, start + len(batch)))
                here = wanted.filter(inside).combine_chunks()
                if not len(here):
                    continue
                taken = batch.take(pc.subtract(here.column("row"), start).combine_chunks())
                columns = {name: taken.column(name) for name in names}
                if edits is not None:
                    columns |= _edited(edits, taken, here.column("n_bytes"))
                columns |= {name: columns[other] for name, other in traced.items()}
                columns |= {n: here.column(n).combine_chunks() for n in ("copy", "n_tokens")}
                columns[_ORDER] = here.column("order").combine_chunks()
                columns[f"{prefix}stratum"] = here.column("stratum").combine_chunks()
                columns[_SHARD] = _shard_numbers(here, boundaries, begins)
                arrays = [_typed(columns.get(f.name), f.type, len(here)) for f in schema]
                yield pa.RecordBatch.from_arrays(arrays, list(stored))

    return fetch


def _edited(edits: Edits, rows: pa.RecordBatch, counted: pa.ChunkedArray) -> dict[str, pa.Array]:
    """Texts with their edits, and their bytes; WinnowError where others were counted."""
    texts = pa.array([item.text if item else None for item in edits.apply(rows)], pa.string())
    sizes = pc.binary_length(texts).cast(pa.int64())
    wrong = pc.indices_nonzero(pc.fill_null(pc.not_equal(sizes, counted.combine_chunks()), True))
    if len(wrong):
        name = rows.column("id")[wrong[0].as_py()]
        raise WinnowError(f"document {name} is not as long after its edits as was counted")
    return {"text": texts, "n_bytes": sizes}


def _typed(column: pa.Array | None, kind: pa.DataType, rows: int) -> pa.Array:
    return pa.nulls(rows, kind) if column is None else cast_column(column, kind)


def _shard_numbers(
    here: pa.Table, boundaries: Mapping[int, Sequence[int]], begins: Mapping[int, int]
) -> pa.Array:
    sets = here.column("set").to_numpy()
    order = unsigned(here.column("order").to_numpy())
    found = np.zeros(len(here), np.int64)
    for number in np.unique(sets):
        mine = sets == number
        found[mine] = begins[int(number)] + shard_of(order[mine], boundaries[int(number)])
    return pa.array(found)
