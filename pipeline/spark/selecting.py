"""Planning a mixture on Spark: sums over radix bins, no sort and no text."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.export.mixture_plan import MixturePlan
from pipeline.io.beside import Address, BesideReader, InForce, Place
from pipeline.io.digests import canonical_json
from pipeline.io.workspace import Workspace
from pipeline.select.eligible import Integers
from pipeline.select.margins import Margins, find_margins
from pipeline.select.passes import Look, Outcome, S, make_plan
from pipeline.select.plan import Selection
from pipeline.spark.cluster_copies import cluster_copies
from pipeline.spark.frames import Batches, by_place, gathered, read_frame, told
from pipeline.spark.slim import KEPT_ROWS, SelectionSource, kept_rows
from pipeline.spark.tasks import Progress, run_tasks
from pipeline.spark.writing import Writing, Written

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_NONE: Integers = np.zeros(0, np.int64)


class Selecting:
    """Passes over the columns of one mixture, and the rows that its plan takes."""

    def __init__(
        self, spark: "SparkSession", workspace: Workspace, plan: MixturePlan, progress: Progress
    ) -> None:
        self._spark, self._progress = spark, progress
        self._source = SelectionSource(workspace.store.root, plan)
        self._places = _places(workspace, plan)
        self._copies: DataFrame | None = None

    def __enter__(self) -> "Selecting":
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the rows that are held."""
        if self._copies is not None:
            self._copies.unpersist()

    def plan(self) -> Outcome:
        """Look at all columns until every stratum's cut is exact."""
        return make_plan(self._source.plan.selection, self)

    def over(self, label: str, look: Look[S], nothing: S) -> S:
        """What `look` finds in all parts together."""
        source = self._source
        label = f"select {source.plan.name}: {label}"
        if self._copies is not None:

            def tell(batches: Batches) -> Iterator[str]:
                parts = ((place, _rows(dropped)) for place, dropped in by_place(batches))
                yield canonical_json(_sums(source, parts, look, nothing).to_json())

            rows = gathered(self._spark, self._places, self._copies)
            parts = told(rows, label, tell)
            found = [type(nothing).from_json(json.loads(text)) for text in parts]
        else:

            def run(places: Sequence[Place]) -> S:
                return _sums(source, ((place, _NONE) for place in places), look, nothing)

            bundles = _bundles(self._places, self._spark.sparkContext.defaultParallelism)
            sizes = [sum(place.part.rows for place in bundle) for bundle in bundles]
            found = run_tasks(self._spark, label, run, bundles, sizes, self._progress)
        total = nothing
        for part in found:
            total = total + part
        return total

    def drop_copies(self, selection: Selection) -> None:
        """From now on the rows that another one of their cluster stands for are dropped."""
        source = self._source.of(selection)
        self._copies = cluster_copies(self._spark, source, self._places).persist()

    def margins(self, outcome: Outcome) -> Margins:
        """The documents nearest to every cut."""
        selection, plan = outcome.selection, outcome.plan
        return self.over(
            "margins", lambda batch, gone: find_margins(selection, plan, batch, gone), Margins()
        )

    def text(self, part: int, row: int) -> str:
        """The text of one document."""
        place = self._places[part]
        with BesideReader(self._source.workspace, place.part, {}) as reader:
            for group in range(reader.groups):
                if row < reader.rows(group):
                    found = reader.read(group, {"text": Address(None, "text")}).column(0)
                    return str(found[row].as_py())
                row -= reader.rows(group)
        raise IndexError(row)

    def write(self, outcome: Outcome) -> Written:
        """The shards of what the plan keeps."""
        source = self._source.of(outcome.selection)
        rows = self._kept(source, outcome)
        return Writing(self._spark, source, self._places, rows).write(outcome.plan)

    def _kept(self, source: SelectionSource, outcome: Outcome) -> "DataFrame":
        from pyspark.sql.pandas.types import from_arrow_schema

        def keep(place: Place, dropped: Integers) -> Iterator[pa.RecordBatch]:
            for start, batch, gone in _batches(source, place, dropped):
                rows = outcome.selection.prepare(batch)[0].without(gone)
                copies = outcome.selection.keep(rows, outcome.plan)
                held = source.held_out(batch)
                yield kept_rows(rows, copies, held, place.number, start)

        def keep_gathered(batches: Batches) -> Batches:
            for place, dropped in by_place(batches):
                yield from keep(place, _rows(dropped))

        if self._copies is None:
            items = [place.told() for place in self._places]
            return read_frame(
                self._spark, items, lambda item: keep(Place.restored(item), _NONE), KEPT_ROWS
            )
        parts = gathered(self._spark, self._places, self._copies)
        return parts.mapInArrow(keep_gathered, from_arrow_schema(KEPT_ROWS))


def _sums(
    source: SelectionSource, parts: Iterable[tuple[Place, Integers]], look: Look[S], nothing: S
) -> S:
    found = source.read_joined(parts)
    if isinstance(nothing, Margins):
        # They name the rows that they find, by part and number.
        found = ((b, gone) for part in parts for _, b, gone in _batches(source, *part))
    total = nothing
    for batch, gone in found:
        total = total + look(batch, gone)
    return total


def _batches(
    source: SelectionSource, place: Place, dropped: Integers
) -> Iterator[tuple[int, pa.RecordBatch, Integers]]:
    """Batches of a part, and of each the rows that are dropped."""
    for start, batch in source.read_columns(place):
        low, high = np.searchsorted(dropped, [start, start + len(batch)])
        here = {"part": str(place.number), "start": str(start)}
        yield start, batch.replace_schema_metadata(here), dropped[low:high] - start


def _rows(table: pa.Table) -> Integers:
    """The numbers of the rows that are dropped of a part."""
    return np.sort(np.frombuffer(b"".join(table.column("rows").to_pylist()), np.int64))


def _bundles(places: Sequence[Place], cores: int) -> list[list[Place]]:
    """Consecutive parts in bundles of about a fourth of a core's share: sums merge in the task."""
    share = max(1, sum(place.part.rows for place in places) // (cores * 4))
    bundles: list[list[Place]] = []
    held = share + 1
    for place in places:
        if held + place.part.rows > share:
            bundles.append([])
            held = 0
        bundles[-1].append(place)
        held += place.part.rows
    return bundles


def _places(workspace: Workspace, plan: MixturePlan) -> list[Place]:
    """Every part with the columns that the mixture uses beside it."""
    names = {address.stage for address in plan.addresses.values() if address.stage}
    records = {name: workspace.stage(name) for name in names}
    return [
        Place(
            number,
            part,
            {
                name: InForce(record.fingerprint, found.key, found.digest)
                for name, record in records.items()
                if record and (found := record.parts.get(part.part))
            },
        )
        for number, part in enumerate(workspace.documents())
    ]
