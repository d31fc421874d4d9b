"""The passes over all rows that make a plan, whoever runs them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import pyarrow as pa

from pipeline.select.bins import Focus, Plan
from pipeline.select.bits import ordered
from pipeline.select.clusters import words_of, worse
from pipeline.select.eligible import Eligible, Integers, Tally
from pipeline.select.fits import Looking, Observation
from pipeline.select.fitted_calls import FittedCall
from pipeline.select.fitted_samplers import FittingSampler
from pipeline.select.margins import Margins
from pipeline.select.plan import SAMPLER, Selection
from pipeline.select.summaries import Summary


class Sums(Protocol):
    """What a pass finds in some rows: `+` merges, in any order."""

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        ...


S = TypeVar("S", Observation, Summary, Margins)
Look = Callable[[pa.RecordBatch, Integers], S]
"""Sums of a batch; the numbers are those of rows that `unique` drops."""


class Passes(Protocol):
    """Runs over all rows."""

    def over(self, label: str, look: Look[S], nothing: S) -> S:
        """What `look` finds in all batches together."""
        ...

    def drop_copies(self, selection: Selection) -> None:
        """From now on the rows that another one of their cluster stands for are dropped."""
        ...


@dataclass(frozen=True)
class Outcome:
    """A plan, and how many documents and tokens each rule left."""

    selection: Selection
    """The selection, fitted."""
    plan: Plan
    funnel: tuple[tuple[str, int, int], ...]
    tally: Tally


def make_plan(selection: Selection, passes: Passes) -> Outcome:
    """Fit what is to be fitted, drop copies, and look until every cut is exact."""
    selection = _fit_calls(selection, passes)
    if selection.unique is not None:
        passes.drop_copies(selection)
    selection = _fit_sampler(selection, passes)
    focus = selection.start()
    first = passes.over("plan", _summarise(selection, focus), Summary())
    tally = first.tally
    corpus = tally.corpus if selection.proportional_to == "corpus" else None
    step = selection.refine(first, focus, corpus)
    while not isinstance(step, Plan):
        focus = step
        summary = passes.over("plan", _summarise(selection, focus), Summary())
        step = selection.refine(summary, focus)
    funnel = [(rule, documents, tokens) for rule, documents, tokens, _ in tally.rules]
    return Outcome(selection, step, (*funnel, *_last_rules(selection, first)), tally)


def _summarise(selection: Selection, focus: Focus) -> Look[Summary]:
    def look(batch: pa.RecordBatch, dropped: Integers) -> Summary:
        rows, tally = selection.prepare(batch)
        summary = selection.summarise(rows.without(dropped), focus)
        return summary if focus.strata else replace(summary, tally=tally)

    return look


def _last_rules(selection: Selection, summary: Summary) -> Iterator[tuple[str, int, int]]:
    documents, tokens = summary.eligible
    if selection.unique is not None:
        yield f"unique {selection.unique}", documents, tokens
    if summary.admitted[0] < documents:
        yield (f"sampler {selection.sampler.method}", *summary.admitted)


def _fit_calls(selection: Selection, passes: Passes) -> Selection:
    while calls := selection.pending():
        looking = _looked(passes, partial(_observe, selection, calls))
        for call in calls:
            pools = sorted(looking.pools(call.name).items())
            frozen = {stratum: call.freeze(pool) for stratum, pool in pools}
            selection = selection.with_fitted(call.name, frozen)
    return selection


def _observe(
    selection: Selection, calls: Sequence[FittedCall], looking: Looking
) -> Look[Observation]:
    return lambda batch, _: selection.observe(batch, calls, looking)


def _fit_sampler(selection: Selection, passes: Passes) -> Selection:
    if not selection.sampler_pending:
        return selection

    def look(at: Looking) -> Look[Observation]:
        return lambda batch, dropped: selection.observe_scores(
            selection.prepare(batch)[0].without(dropped), at
        )

    sampler = cast("FittingSampler", selection.sampler)
    pools = _looked(passes, look).pools(SAMPLER)
    return selection.with_fitted(
        SAMPLER, {stratum: sampler.fit(pool) for stratum, pool in sorted(pools.items())}
    )


def _looked(passes: Passes, look: Callable[[Looking], Look[Observation]]) -> Looking:
    """All values first, then heavy bins until none is left."""
    looking = Looking()
    while True:
        found = passes.over("fit", look(looking), looking.nothing())
        looking = looking.refine(found)
        if not looking.inside:
            return looking


class InProcess:
    """Passes over batches that can be read again and again, in this process."""

    def __init__(self, read: Callable[[], Iterable[pa.RecordBatch]]) -> None:
        self._read = read
        self._dropped: Mapping[int, Integers] = {}

    def batches(self) -> Iterator[tuple[pa.RecordBatch, Integers]]:
        """Each batch, and the rows of it that are dropped."""
        none = np.zeros(0, np.int64)
        for number, batch in enumerate(self._read()):
            yield batch, self._dropped.get(number, none)

    def over(self, label: str, look: Look[S], nothing: S) -> S:
        """One batch after the other."""
        total = nothing
        for batch, dropped in self.batches():
            total = total + look(batch, dropped)
        return total

    def drop_copies(self, selection: Selection) -> None:
        """Every cluster's rows are compared at once."""
        found = [cluster_words(selection.prepare(batch)[0]) for batch, _ in self.batches()]
        sizes = [len(columns["score"]) for columns in found]
        if not sum(sizes):
            return
        lost = worse({n: np.concatenate([c[n] for c in found]) for n in found[0]})
        rows = np.concatenate([columns["row"] for columns in found]).astype(np.int64)
        owner = np.repeat(np.arange(len(sizes)), sizes)[lost]
        self._dropped = {int(b): rows[lost[owner == b]] for b in np.unique(owner)}


def cluster_words(rows: Eligible) -> dict[str, Any]:
    """The columns by which `worse` compares rows, and their numbers in the batch."""
    assert rows.clusters is not None
    cluster, name = words_of(rows.clusters), words_of(rows.ids)
    return {
        "row": rows.rows.astype(np.uint64),
        "cluster_high": cluster[0],
        "cluster_low": cluster[1],
        "score": ordered(rows.scores),
        "n_bytes": rows.n_bytes.astype(np.uint64),
        "id_high": name[0],
        "id_low": name[1],
    }
