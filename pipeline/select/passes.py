"""The passes over all rows that make a plan, whoever runs them."""

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.select.bins import Focus, Plan
from pipeline.select.bits import ordered
from pipeline.select.clusters import addressed, deal, settle, words_of
from pipeline.select.eligible import Eligible, Integers, Tally
from pipeline.select.fits import Looking, Observation
from pipeline.select.fitted_calls import FittedCall
from pipeline.select.fitted_samplers import FittingSampler
from pipeline.select.margins import Margins
from pipeline.select.plan import SAMPLER, Selection
from pipeline.select.summaries import Summary

_FILES = 256
"""Into so many files clusters are dealt: a hundred million rows give some 25 MB each."""

_HELD = 1 << 16
"""A file of no more bytes stays in memory."""


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
    """Passes over batches that can be read again and again, in this process.

    Clusters of any number are compared in bounded memory, by way of temporary files; of each row
    a bit is held that says whether it is dropped.
    """

    def __init__(self, read: Callable[[], Iterable[pa.RecordBatch]]) -> None:
        self._read = read
        self._dropped: dict[int, npt.NDArray[np.uint8]] = {}

    def batches(self) -> Iterator[tuple[pa.RecordBatch, Integers]]:
        """Each batch, and the rows of it that are dropped."""
        none = np.zeros(0, np.uint8)
        for number, batch in enumerate(self._read()):
            yield batch, np.flatnonzero(np.unpackbits(self._dropped.get(number, none)))

    def over(self, label: str, look: Look[S], nothing: S) -> S:
        """One batch after the other."""
        total = nothing
        for batch, dropped in self.batches():
            total = total + look(batch, dropped)
        return total

    def drop_copies(self, selection: Selection) -> None:
        """The rows are dealt into files by cluster, and compared file by file."""
        self._dropped = {}
        sizes: list[int] = []
        with contextlib.ExitStack() as stack:
            lost, rows = ([stack.enter_context(_aside()) for _ in range(_FILES)] for _ in range(2))
            for number, (batch, _) in enumerate(self.batches()):
                sizes.append(len(batch))
                words = cluster_words(selection.prepare(batch)[0])
                for bucket, gone, left in deal(words, addressed(number, 0), _FILES):
                    lost[bucket].write(gone)
                    rows[bucket].write(left)
            for pair in zip(lost, rows, strict=True):
                for number, dropped in settle(*([_whole(file)] for file in pair)):
                    flags = np.zeros(sizes[number], bool)
                    flags[dropped] = True
                    bits = np.packbits(flags)
                    self._dropped[number] = self._dropped.get(number, np.zeros_like(bits)) | bits


def _aside() -> "tempfile.SpooledTemporaryFile[bytes]":
    return tempfile.SpooledTemporaryFile(_HELD)


def _whole(file: "tempfile.SpooledTemporaryFile[bytes]") -> bytes:
    file.seek(0)
    return file.read()


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
