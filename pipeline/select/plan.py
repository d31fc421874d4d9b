"""The plan of a mixture: integer sums over radix bins, refined until every cut is exact.

A row's place in its stratum is a 128-bit number: the order-preserving bits of its key, then a
hash of seed and id. A summary counts documents and cost in the 65,536 bins of the next 16 bits;
only the bin in which a stratum's budget ends is looked into further. Sums of integers do not
depend on the order in which they are added, so neither does the plan.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.select.bins import (
    Cut,
    Focus,
    Plan,
    Stratum,
    Summary,
    descend,
    digit,
    matches,
    ordered,
)
from pipeline.select.expressions import (
    Catalogue,
    Expression,
    compile_expression,
    compile_predicate,
)
from pipeline.select.quotas import quotas
from pipeline.select.samplers import Sampler, draws

PREPARED = (
    "row",
    "id",
    "stratum",
    "key",
    "tie",
    "score_bits",
    "cost",
    "n_tokens",
    "n_bytes",
    "cluster",
)
"""Columns of the rows that `Selection.prepare` finds eligible."""


@dataclass(frozen=True)
class Selection:
    """What a mixture selects, by columns alone."""

    catalogue: Catalogue
    sampler: Sampler
    seed: int
    where: str | None = None
    score: str | None = None
    unique: str | None = None
    strata: tuple[str, ...] = ()
    quotas: str = "proportional"
    budget: int | None = None
    shortfall: str = "redistribute"
    max_repeats: int | None = None
    tokens_column: str | None = None
    budget_unit: str = "tokens"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `prepare` reads."""
        found = ["id", "n_bytes", *self.strata]
        found += [name for name in (self.unique, self.tokens_column) if name]
        for expression in (*self._terms, *self._scores):
            found += expression.columns
        return tuple(dict.fromkeys(found))

    @cached_property
    def _terms(self) -> tuple[Expression, ...]:
        return compile_predicate(self.where, self.catalogue).terms if self.where else ()

    @cached_property
    def _scores(self) -> tuple[Expression, ...]:
        return (compile_expression(self.score, self.catalogue),) if self.score else ()

    def rules(self) -> list[str]:
        """The rules of the funnel, in the order in which they are applied."""
        found = [term.text for term in self._terms]
        found += [f"{self.tokens_column} is not null"] if self.tokens_column else []
        found += [f"score ({self.score}) is not null"] if self.score else []
        found += [f"{self.unique} is not null"] if self.unique else []
        return found

    def prepare(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, list[tuple[str, int, int]]]:
        """The eligible rows (columns PREPARED), and documents and tokens left after each rule.

        `row` is the row's number in the batch. A null in a rule means that the row is not kept.
        """
        rows = len(batch)
        keep = np.ones(rows, bool)
        score = np.zeros(rows)
        tokens = np.zeros(rows, np.int64)
        has_tokens = has_score = np.ones(rows, bool)
        if self.tokens_column:
            column = batch.column(self.tokens_column)
            has_tokens = _flags(column.is_valid())
            tokens = _integers(column)
        for expression in self._scores:
            value = expression.evaluate(batch)
            has_score = _flags(value.is_valid())
            score = value.cast(pa.float64()).fill_null(0).to_numpy(zero_copy_only=False)
        tests = [_flags(pc.fill_null(t.evaluate(batch), False)) for t in self._terms]
        tests += [has_tokens] if self.tokens_column else []
        tests += [has_score] if self.score else []
        tests += [_flags(batch.column(self.unique).is_valid())] if self.unique else []
        funnel = []
        for rule, test in zip(self.rules(), tests, strict=True):
            keep = keep & test
            funnel.append((rule, int(keep.sum()), int(tokens[keep].sum())))
        return self._prepared(batch, np.flatnonzero(keep), score, tokens), funnel

    def _prepared(
        self,
        batch: pa.RecordBatch,
        rows: npt.NDArray[np.intp],
        score: npt.NDArray[np.float64],
        tokens: npt.NDArray[np.int64],
    ) -> pa.RecordBatch:
        chosen = batch.take(pa.array(rows, pa.int64()))
        ids = chosen.column("id")
        sizes = chosen.column("n_bytes")
        keys = self.sampler.keys(score[rows], draws(self.seed, "sample", ids))
        columns = {
            "row": pa.array(rows, pa.int64()),
            "id": ids,
            "stratum": stratum_keys(chosen, self.strata),
            "key": pa.array(ordered(keys)),
            "tie": pa.array(draws(self.seed, "tie", ids)),
            "score_bits": pa.array(ordered(score[rows])),
            "cost": sizes if self.budget_unit == "bytes" else pa.array(tokens[rows]),
            "n_tokens": pa.array(tokens[rows]),
            "n_bytes": sizes,
            "cluster": (
                chosen.column(self.unique).cast(pa.string())
                if self.unique
                else pa.nulls(len(rows), pa.string())
            ),
        }
        return pa.RecordBatch.from_arrays([columns[n] for n in PREPARED], list(PREPARED))

    def start(self) -> Focus:
        """The focus of the first summary."""
        return Focus()

    def summarise(self, prepared: pa.RecordBatch, focus: Focus) -> Summary:
        """Sums over the bins that `focus` looks into."""
        result: dict[str, dict[int, tuple[int, int]]] = {}
        high, low = _unsigned(prepared, "key"), _unsigned(prepared, "tie")
        cost = prepared.column("cost").to_numpy(zero_copy_only=False)
        names = pc.dictionary_encode(prepared.column("stratum"))
        codes = np.asarray(names.indices)
        for code, stratum in enumerate(names.dictionary.to_pylist()):
            state = focus.strata.get(stratum)
            if focus.strata and state is None:
                continue
            level, prefix = (state.level, state.prefix) if state else (0, 0)
            inside = (codes == code) & matches(high, low, level, prefix)
            bins = digit(high[inside], low[inside], level)
            places, where = np.unique(bins, return_inverse=True)
            counts = np.bincount(where, minlength=len(places))
            sums = np.zeros(len(places), np.int64)
            np.add.at(sums, where, cost[inside])
            result[stratum] = {
                int(p): (int(n), int(c)) for p, n, c in zip(places, counts, sums, strict=True)
            }
        return Summary(result)

    def refine(self, summary: Summary, focus: Focus) -> "Focus | Plan":
        """The next focus, or the plan once no boundary bin is left to look into."""
        if not focus.strata and not focus.done:
            focus = Focus(self._begin(summary))
        done, open_ = list(focus.done), {}
        for stratum, state in focus.strata.items():
            step = descend(stratum, state, summary.bins.get(stratum, {}))
            if isinstance(step, Cut):
                done.append(step)
            else:
                open_[stratum] = step
        if open_:
            return Focus(open_, tuple(done))
        return Plan(tuple(sorted(done, key=lambda cut: cut.stratum)))

    def _begin(self, summary: Summary) -> dict[str, Stratum]:
        totals = {
            s: (sum(n for n, _ in bins.values()), sum(c for _, c in bins.values()))
            for s, bins in summary.bins.items()
        }
        available = {s: cost for s, (_, cost) in totals.items()}
        if self.budget is None:
            return {s: Stratum(None, c, n, 1, 0) for s, (n, c) in totals.items()}
        limit = self.max_repeats or 1
        wanted = quotas(available, self.budget, self.quotas, self.shortfall, limit)
        found = {}
        for stratum, (documents, cost) in totals.items():
            copies = min(wanted[stratum] // cost, limit) if cost else 1
            rest = wanted[stratum] - copies * cost if cost and copies < limit else 0
            found[stratum] = Stratum(wanted[stratum], cost, documents, copies, rest)
        return found

    def keep(self, prepared: pa.RecordBatch, plan: Plan) -> npt.NDArray[np.int64]:
        """How many copies of each row the plan takes."""
        cuts = {cut.stratum: cut for cut in plan.strata}
        high, low = _unsigned(prepared, "key"), _unsigned(prepared, "tie")
        names = pc.dictionary_encode(prepared.column("stratum"))
        codes = np.asarray(names.indices)
        copies = np.zeros(len(prepared), np.int64)
        for code, stratum in enumerate(names.dictionary.to_pylist()):
            cut = cuts[stratum]
            mine = codes == code
            copies[mine] = cut.copies
            if cut.cut != "none":
                place = int(cut.cut, 16)
                top, bottom = np.uint64(place >> 64), np.uint64(place & (2**64 - 1))
                copies[mine & ((high > top) | ((high == top) & (low >= bottom)))] += 1
        return copies


def stratum_keys(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.Array:
    """The stratum of each row: the JSON list of its values of the columns."""
    values = [batch.column(name).to_pylist() for name in columns]
    if not values:
        return pa.array(["[]"] * len(batch), pa.string())
    keys = [json.dumps(value, ensure_ascii=False) for value in zip(*values, strict=True)]
    return pa.array(keys, pa.string())


def stratum_label(stratum: str) -> str:
    """A stratum's key as people read it: its values, with a dot between them."""
    values = json.loads(stratum)
    return " \u00b7 ".join("null" if value is None else str(value) for value in values) or "all"


def _flags(array: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(array.to_numpy(zero_copy_only=False), bool)


def _integers(array: pa.Array) -> npt.NDArray[np.int64]:
    return np.asarray(array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False), np.int64)


def _unsigned(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.uint64]:
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), np.uint64)
