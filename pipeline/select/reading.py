"""Which rows of a batch a mixture may take, and their scores: by columns alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.select.draws import Floats, draws, gumbel_noise
from pipeline.select.eligible import Eligible, Integers, Tally
from pipeline.select.expressions import (
    Catalogue,
    Expression,
    compile_expression,
    compile_predicate,
)
from pipeline.select.fits import Fitted, Frozen, Looking, Observation
from pipeline.select.fitted_calls import FittedCall
from pipeline.select.strata import Codes, strata_of
from schemas.errors import WinnowError

EMPTY_AFTER_EDIT = "empty_after_edit"
"""The rule by which documents are left out of which edits leave nothing."""

Flags = npt.NDArray[np.bool_]
Grouped = tuple[Codes, Sequence[str]]
"""Each row's stratum, as a place in the list of strata."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The rules and the score of a mixture."""

    catalogue: Catalogue
    seed: int
    where: str | None = None
    score: str | None = None
    unique: str | None = None
    strata: tuple[str, ...] = ()
    tokens_column: str | None = None
    bytes_column: str = "n_bytes"
    """How many bytes of a document are written."""
    empty_column: str | None = None
    """Says of which documents nothing would be left to write."""
    budget_unit: str = "tokens"
    proportional_to: str = "pool"
    eod: bool = False
    """Whether a token that ends each document counts in the budget."""
    fitted: Fitted = field(default_factory=dict)
    """What was found out of the pools; grows until nothing is `pending`."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `prepare` reads."""
        found = ["id", self.bytes_column, *self.strata]
        found += [n for n in (self.unique, self.tokens_column, self.empty_column) if n]
        for expression in (*self._terms, *self._scores):
            found += expression.columns
        return tuple(dict.fromkeys(found))

    @cached_property
    def _terms(self) -> tuple[Expression, ...]:
        if not self.where:
            return ()
        return compile_predicate(self.where, self.catalogue, "where").terms

    @cached_property
    def _scores(self) -> tuple[Expression, ...]:
        return (compile_expression(self.score, self.catalogue, "score"),) if self.score else ()

    def rules(self) -> list[str]:
        """The rules of the funnel, in the order in which they are applied."""
        found = [term.text for term in self._terms]
        found += [f"{self.tokens_column} is not null"] if self.tokens_column else []
        found += [EMPTY_AFTER_EDIT] if self.empty_column else []
        found += [f"score ({self.score}) is not null"] if self.score else []
        found += [f"{self.unique} is not null"] if self.unique else []
        return found

    def pending(self) -> tuple[FittedCall, ...]:
        """The calls that can be fitted next: those of `where` come first."""
        for expressions in (self._terms, self._scores):
            calls = [call for e in expressions for call in e.fitted if call.observes]
            left = {call.name: call for call in calls if call.name not in self.fitted}
            if left:
                return tuple(c for c in left.values() if not left.keys() & set(c.needs))
        return ()

    def observe(
        self, batch: pa.RecordBatch, calls: Sequence[FittedCall], looking: Looking
    ) -> Observation:
        """What pending calls are to be fitted to: for `score`, the rows that `where` keeps."""
        grouped: Grouped = strata_of(batch, self.strata)
        batch = self._completed(batch, self._terms, grouped)
        if any(calls[0] in expression.fitted for expression in self._scores):
            kept = np.flatnonzero(_all(self._tests(batch), len(batch)))
            batch, grouped = batch.take(pa.array(kept)), (grouped[0][kept], grouped[1])
            batch = self._completed(batch, self._scores, grouped)
        found = looking.nothing()
        for call in calls:
            assert call.argument is not None
            values = numbers(call.argument.evaluate(batch), len(batch))
            given = np.isfinite(values)
            of = (grouped[0][given], grouped[1], values[given])
            found = found + looking.observe(call.name, of, call.observes == "ranks")
        return found

    def _completed(
        self, batch: pa.RecordBatch, expressions: Sequence[Expression], grouped: Grouped
    ) -> pa.RecordBatch:
        """The batch with the columns of the calls that are fitted."""
        for call in (call for expression in expressions for call in expression.fitted):
            there = call.name in batch.schema.names
            if there or (call.observes and call.name not in self.fitted):
                continue
            if call.argument is None:
                drawn = draws(self.seed, f"noise {call.parameter}", batch.column("id"))
                values = gumbel_noise(drawn)
            else:
                given = numbers(call.argument.evaluate(batch), len(batch))
                values = self.by_stratum(call.name, grouped, given, call.values)
            column = pa.array(values, pa.float64(), mask=~np.isfinite(values))
            batch = batch.append_column(call.name, column)
        return batch

    def by_stratum(
        self,
        name: str,
        grouped: Grouped,
        values: Floats,
        function: Callable[[Floats, Frozen], Floats],
    ) -> Floats:
        """A function of the values of each stratum and of what it was fitted to."""
        codes, strata = grouped
        found = np.full(len(values), np.nan)
        order = np.argsort(codes, kind="stable")
        ends = np.searchsorted(codes[order], np.arange(len(strata) + 1))
        for code, stratum in enumerate(strata):
            mine = order[ends[code] : ends[code + 1]]
            mine = mine[np.isfinite(values[mine])]
            if len(mine):
                found[mine] = function(values[mine], self.frozen(name, stratum))
        return found

    def frozen(self, name: str, stratum: str) -> Frozen:
        """What was found out of a stratum; WinnowError where it had nothing to be fitted to."""
        try:
            return self.fitted[name][stratum]
        except KeyError:
            raise WinnowError(
                f"{name} was not fitted to the stratum {stratum}: `fit_from` names a mixture"
                " that was made without it"
            ) from None

    def _tests(self, batch: pa.RecordBatch) -> list[Flags]:
        """Which rows each rule keeps, for those of `where`, of the tokens and of edits."""
        tests = [flags(pc.fill_null(term.evaluate(batch), False)) for term in self._terms]
        if self.tokens_column:
            tests.append(flags(batch.column(self.tokens_column).is_valid()))
        if self.empty_column:
            tests.append(~flags(pc.fill_null(batch.column(self.empty_column), True)))
        return tests

    def passes_where(self, batch: pa.RecordBatch) -> Flags:
        """Which rows `where` keeps."""
        batch = self._completed(batch, self._terms, strata_of(batch, self.strata))
        return _all(self._tests(batch)[: len(self._terms)], len(batch))

    def prepare(self, batch: pa.RecordBatch) -> tuple[Eligible, Tally]:
        """The eligible rows, and what each rule left. A null in a rule means: not kept."""
        grouped: Grouped = strata_of(batch, self.strata)
        batch = self._completed(batch, self._terms, grouped)
        tests = self._tests(batch)
        kept = np.flatnonzero(_all(tests, len(batch)))
        tokens = np.zeros(len(batch), np.int64)
        if self.tokens_column:
            tokens = integers(batch.column(self.tokens_column))
        chosen, left = batch, kept
        if len(kept) < len(batch):
            chosen = batch.take(pa.array(kept))
        codes = grouped[0][kept]
        score = np.zeros(len(kept))
        late = []
        if self._scores:
            chosen = self._completed(chosen, self._scores, (codes, grouped[1]))
            score = numbers(self._scores[0].evaluate(chosen), len(chosen))
            late.append(np.isfinite(score))
        if self.unique:
            late.append(flags(chosen.column(self.unique).is_valid()))
        tally = self._tally(batch, grouped, tests, (left, late), tokens)
        final = np.flatnonzero(_all(late, len(chosen)))
        sizes = integers(chosen.column(self.bytes_column))
        found = Eligible(
            rows=kept,
            ids=chosen.column("id"),
            codes=codes,
            strata=grouped[1],
            scores=score,
            cost=self._cost(sizes, tokens[kept]),
            n_tokens=tokens[kept],
            n_bytes=sizes,
            clusters=chosen.column(self.unique).cast(pa.string()) if self.unique else None,
        )
        return (found if len(final) == len(found) else found.take(final)), tally

    def _cost(self, sizes: Integers, tokens: Integers) -> Integers:
        """What rows of these bytes and tokens take of the budget."""
        return sizes if self.budget_unit == "bytes" else tokens + self.eod

    def _tally(
        self,
        batch: pa.RecordBatch,
        grouped: Grouped,
        tests: Sequence[Flags],
        late: tuple[Integers, Sequence[Flags]],
        tokens: Integers,
    ) -> Tally:
        failed = np.zeros(len(batch), np.int64)
        for test in tests:
            failed += ~test
        rules, kept = [], np.ones(len(batch), bool)
        left, later = late
        wide = []
        for test in later:
            spread = np.zeros(len(batch), bool)
            spread[left[test]] = True
            wide.append(spread)
        for index, (rule, test) in enumerate(zip(self.rules(), (*tests, *wide), strict=True)):
            before, kept = kept, kept & test
            alone = failed == 1 if index < len(tests) else before
            rejected = int((alone & ~test).sum())
            rules.append((rule, int(kept.sum()), int(tokens[kept].sum()), rejected))
        corpus: dict[str, int] = {}
        if self.proportional_to == "corpus":
            cost = self._cost(integers(batch.column(self.bytes_column)), tokens)
            sums = np.zeros(len(grouped[1]), np.int64)
            np.add.at(sums, grouped[0], cost)
            corpus = dict(zip(grouped[1], sums.tolist(), strict=True))
        return Tally(tuple(rules), len(batch), corpus)


def _all(tests: Sequence[Flags], rows: int) -> Flags:
    kept = np.ones(rows, bool)
    for test in tests:
        kept &= test
    return kept


def flags(array: pa.Array) -> Flags:
    """Booleans without null."""
    return np.asarray(array.to_numpy(zero_copy_only=False), bool)


def integers(array: pa.Array) -> Integers:
    """Integers, 0 for null."""
    whole = array.cast(pa.int64())
    whole = whole.fill_null(0) if whole.null_count else whole
    return np.asarray(whole.to_numpy(zero_copy_only=False), np.int64)


def numbers(value: pa.Array | pa.Scalar, rows: int) -> Floats:
    """Doubles, NaN for null."""
    if isinstance(value, pa.Scalar):
        given = value.as_py()
        return np.full(rows, np.nan if given is None else float(given))
    doubles = value.cast(pa.float64(), safe=False)
    doubles = doubles.fill_null(np.nan) if doubles.null_count else doubles
    return np.asarray(doubles.to_numpy(zero_copy_only=False), np.float64)
