"""The plan of a mixture: integer sums over radix bins, refined until every cut is exact.

A row's place in its stratum is a 128-bit number: the order-preserving bits of its key, then a
hash of seed and id. A summary counts documents and cost in the 65,536 bins of the next 16 bits;
only the bin in which a stratum's budget ends is looked into further. Sums of integers do not
depend on the order in which they are added, so neither does the plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt

from pipeline.select.bins import Cut, Focus, Plan, Stratum, descend, descend_rows
from pipeline.select.bits import Words, ordered
from pipeline.select.draws import Floats, draws
from pipeline.select.eligible import Eligible
from pipeline.select.fits import Frozen, Looking, Observation
from pipeline.select.fitted_samplers import FittingSampler
from pipeline.select.quotas import Quota, Supply, quotas
from pipeline.select.reading import Reading
from pipeline.select.samplers import Sampler
from pipeline.select.strata import stratum_keys, stratum_label
from pipeline.select.summaries import Summary, gathered_rows, summed

__all__ = ["Selection", "stratum_keys", "stratum_label"]

SAMPLER = "sampler"
"""Under this name stands in a plan what its sampler was fitted to."""


@dataclass(frozen=True, kw_only=True)
class Selection(Reading):
    """What a mixture selects, by columns alone."""

    sampler: Sampler | FittingSampler
    quotas: str | tuple[Quota, ...] = "proportional"
    budget: int | None = None
    shortfall: str = "redistribute"
    max_repeats: int | None = None

    @property
    def observes(self) -> str | None:
        """What the sampler is fitted to, if it is."""
        return cast("str | None", getattr(self.sampler, "observes", None))

    @property
    def sampler_pending(self) -> bool:
        """Whether the sampler has still to be fitted."""
        return self.observes is not None and SAMPLER not in self.fitted

    def observe_scores(self, rows: Eligible, looking: Looking) -> Observation:
        """What the sampler is to be fitted to: everything eligible."""
        of = (rows.codes, rows.strata, rows.scores)
        return looking.nothing() + looking.observe(SAMPLER, of, self.observes == "ranks")

    def with_fitted(self, name: str, frozen: Mapping[str, Frozen]) -> "Selection":
        """The selection that knows this of each stratum."""
        return replace(self, fitted={**self.fitted, name: frozen})

    def places(self, rows: Eligible) -> tuple[Words, Words, npt.NDArray[np.bool_]]:
        """Keys (a row of them for each copy), ties, and which keys the sampler ever takes."""
        drawn = draws(self.seed, "sample", rows.ids)
        if self.observes is None:
            keys = cast("Sampler", self.sampler).keys(rows.scores, drawn)
        else:
            keys = self._fitted_keys(rows, drawn)
        keys = np.atleast_2d(np.asarray(keys, np.float64))
        return ordered(keys), draws(self.seed, "tie", rows.ids), keys > -np.inf

    def _fitted_keys(self, rows: Eligible, drawn: Words) -> Floats:
        sampler = cast("FittingSampler", self.sampler)
        found: Floats | None = None
        for code in np.unique(rows.codes):
            mine = np.flatnonzero(rows.codes == code)
            frozen = self.frozen(SAMPLER, rows.strata[code])
            keys = np.atleast_2d(sampler.keys(rows.scores[mine], drawn[mine], frozen))
            if found is None:
                found = np.empty((len(keys), len(rows)))
            found[:, mine] = keys
        return np.zeros((1, 0)) if found is None else found

    def start(self) -> Focus:
        """The focus of the first summary."""
        return Focus()

    def summarise(self, rows: Eligible, focus: Focus) -> Summary:
        """Sums over the bins that `focus` looks into."""
        if not len(rows):
            return Summary()
        keys, ties, taken = self.places(rows)
        copies = len(keys)
        codes, low = np.tile(rows.codes, copies), np.tile(ties, copies)
        cost, high = np.tile(rows.cost, copies), keys.ravel()
        if not taken.all():
            inside = np.flatnonzero(taken.ravel())
            codes, low, cost, high = codes[inside], low[inside], cost[inside], high[inside]
        depths = focus.depths
        if focus.gathers:
            return Summary(rows=gathered_rows((codes, rows.strata), (high, low), cost, depths))
        bins = summed((codes, rows.strata), (high, low), cost, depths)
        if depths:
            return Summary(bins)
        admitted = taken.any(axis=0)
        size = len(rows.strata)
        documents = np.bincount(rows.codes[admitted], minlength=size)
        costs = np.zeros(size, np.int64)
        np.add.at(costs, rows.codes[admitted], rows.cost[admitted])
        present = np.flatnonzero(np.bincount(rows.codes, minlength=size))
        totals = {rows.strata[c]: (int(documents[c]), int(costs[c])) for c in present}
        given = (len(rows), int(rows.n_tokens.sum()))
        held = (int(admitted.sum()), int(rows.n_tokens[admitted].sum()))
        return Summary(bins, {}, totals, given, held)

    def refine(
        self, summary: Summary, focus: Focus, corpus: Mapping[str, int] | None = None
    ) -> "Focus | Plan":
        """The next focus, or the plan once no boundary bin is left to look into.

        corpus: the cost of all documents by stratum, where quotas are in proportion to it.
        """
        if not focus.strata and not focus.done:
            focus = Focus(self._begin(summary, corpus))
        done, left = list(focus.done), {}
        for stratum, state in focus.strata.items():
            if stratum in summary.rows:
                step: Cut | Stratum = descend_rows(stratum, state, summary.rows[stratum])
            else:
                step = descend(stratum, state, summary.bins.get(stratum))
            if isinstance(step, Cut):
                done.append(step)
            else:
                left[stratum] = step
        if left:
            return Focus(left, tuple(done))
        return Plan(tuple(sorted(done, key=lambda cut: cut.stratum)), self.fitted)

    def _begin(self, summary: Summary, corpus: Mapping[str, int] | None) -> dict[str, Stratum]:
        available = {s: cost for s, (_, cost) in summary.totals.items()}
        entries = {s: int(bins[:, 1].sum()) for s, bins in summary.bins.items()}
        capacity = {s: int(bins[:, 2].sum()) for s, bins in summary.bins.items()}
        wanted: Mapping[str, int | None] = dict.fromkeys(available)
        if self.budget is not None:
            supply = Supply(available, capacity, corpus)
            repeats = self.max_repeats or 1
            wanted = quotas(supply, self.budget, self.quotas, self.shortfall, repeats)
        found = {}
        for stratum, quota in wanted.items():
            documents, cost = summary.totals.get(stratum, (0, 0))
            most = capacity.get(stratum, 0)
            copies, rest = 1, 0
            if quota is not None and most:
                copies, rest = divmod(quota, most)
            found[stratum] = Stratum(
                quota, cost, documents, most, entries.get(stratum, 0), copies, rest
            )
        return found

    def keep(self, rows: Eligible, plan: Plan) -> npt.NDArray[np.int64]:
        """How many copies of each row the plan takes."""
        if not len(rows):
            return np.zeros(0, np.int64)
        cuts = {cut.stratum: cut for cut in plan.strata}
        none = Cut("", None, 0, 0, 0, 0, 0, "none")
        # Strata of which no row is eligible are in the batch's list, but not in the plan.
        mine = [cuts.get(stratum, none) for stratum in rows.strata]
        places = [2**128 if cut.cut == "none" else int(cut.cut, 16) for cut in mine]
        ends = np.array([p >= 2**128 for p in places])[rows.codes]
        top = np.array([(p >> 64) & (2**64 - 1) for p in places], np.uint64)[rows.codes]
        bottom = np.array([p & (2**64 - 1) for p in places], np.uint64)[rows.codes]
        whole = np.array([cut.copies for cut in mine], np.int64)[rows.codes]
        keys, ties, taken = self.places(rows)
        above = ~ends & ((keys > top) | ((keys == top) & (ties >= bottom)))
        return np.asarray((taken * (whole + above)).sum(axis=0), np.int64)
