"""Writing a mixture: the selected text moves once, in the order of a hash, into shards."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.export.shards import Shard, ShardWriter, cut_shards, mixture_schema, shard_of
from pipeline.io.beside import Place
from pipeline.io.digests import canonical_json
from pipeline.io.store import open_store
from pipeline.select.draws import draws
from pipeline.spark.frames import Batches, by_place, gathered, runs, told
from pipeline.spark.slim import SelectionSource, signed, unsigned

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SHARD_BYTES = 256 << 20
"""A shard holds about this many bytes of text."""

_KEPT = pa.schema(
    [
        pa.field("part", pa.int64()),
        pa.field("row", pa.int64()),
        pa.field("copy", pa.int32()),
        pa.field("order", pa.int64()),
        pa.field("n_tokens", pa.int64()),
        pa.field("n_bytes", pa.int64()),
    ]
)


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

    def write(self) -> list[Shard]:
        """Fetch the selected text, order it by hash, and cut it into shards."""
        kept = self._kept().persist()
        try:
            boundaries = self._boundaries(kept)
            if boundaries is None:
                return []
            return self._shards(kept, boundaries)
        finally:
            kept.unpersist()

    def _kept(self) -> "DataFrame":
        from pyspark.sql.pandas.types import from_arrow_schema

        seed = self._source.plan.seed

        def keep(batches: Batches) -> Batches:
            for batch in batches:
                copies = batch.column("copies").to_numpy()
                for copy in range(int(copies.max(initial=0))):
                    chosen = batch.filter(pa.array(copies > copy))
                    order = signed(draws(seed, f"order {copy}", chosen.column("id")))
                    yield pa.RecordBatch.from_arrays(
                        [
                            chosen.column("part"),
                            chosen.column("row"),
                            pa.array(np.full(len(chosen), copy, np.int32)),
                            pa.array(order),
                            chosen.column("n_tokens"),
                            chosen.column("n_bytes"),
                        ],
                        schema=_KEPT,
                    )

        return self._rows.mapInArrow(keep, from_arrow_schema(_KEPT))

    def _boundaries(self, kept: "DataFrame") -> list[int] | None:
        def histogram(batches: Batches) -> Iterator[str]:
            total = np.zeros(1 << 16, np.int64)
            for batch in batches:
                order = unsigned(batch.column("order").to_numpy())
                sizes = batch.column("n_bytes").to_numpy()
                np.add.at(total, (order >> np.uint64(48)).astype(np.int64), sizes)
            places = np.flatnonzero(total)
            yield json.dumps([places.tolist(), total[places].tolist()])

        total = np.zeros(1 << 16, np.int64)
        for text in told(kept, f"mixture {self._source.plan.name}: cuts", histogram):
            places, sizes = json.loads(text)
            total[places] += np.array(sizes, np.int64)
        return None if not total.any() else cut_shards(total, SHARD_BYTES)

    def _shards(self, kept: "DataFrame", boundaries: Sequence[int]) -> list[Shard]:
        from pyspark.sql.pandas.types import from_arrow_schema

        source = self._source
        schema = mixture_schema(source.plan.written)
        carried = pa.schema([pa.field("shard", pa.int64()), pa.field("order", pa.int64()), *schema])
        fetched = gathered(self._spark, self._places, kept).mapInArrow(
            _fetch(source, boundaries, carried), from_arrow_schema(carried)
        )
        count = len(boundaries) + 1
        ordered = fetched.repartition(count, "shard").sortWithinPartitions(
            "shard", "order", "id", "copy"
        )
        folder = f"mixtures/{source.plan.name}"

        def write(batches: Batches) -> Iterator[str]:
            store = open_store(source.workspace)
            for number, run in itertools.groupby(runs(batches), key=lambda item: item[0]):
                with ShardWriter(store, folder, int(str(number)), schema) as writer:
                    for _, batch in run:
                        writer.write(batch.select(schema.names).cast(schema))
                    yield canonical_json(writer.commit().to_json())

        label = f"mixture {source.plan.name}: write"
        shards = [Shard(**json.loads(text)) for text in told(ordered, label, write)]
        return sorted(shards, key=lambda shard: shard.path)


def _fetch(
    source: SelectionSource, boundaries: Sequence[int], schema: pa.Schema
) -> Callable[[Batches], Batches]:
    """Reads the text of the rows that are kept, part by part, row group by row group."""
    names = [name for name in schema.names if name not in ("shard", "order", "copy", "n_tokens")]

    def fetch(batches: Batches) -> Batches:
        for place, wanted in by_place(batches):
            for start, batch in source.read(place, names) if len(wanted) else ():
                rows = wanted.column("row").combine_chunks()
                inside = pc.and_(pc.greater_equal(rows, start), pc.less(rows, start + len(batch)))
                here = wanted.filter(inside).combine_chunks()
                if not len(here):
                    continue
                taken = batch.take(pc.subtract(here.column("row"), start).combine_chunks())
                order = here.column("order").combine_chunks()
                shard = shard_of(unsigned(order.to_numpy()), boundaries)
                columns = {name: taken.column(name) for name in names}
                columns |= {"shard": pa.array(shard, pa.int64()), "order": order}
                columns |= {n: here.column(n).combine_chunks() for n in ("copy", "n_tokens")}
                arrays = [columns[f.name].cast(f.type) for f in schema]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return fetch
