"""Selection against a brute-force oracle, and the laws that it keeps."""

import json
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.select.bins import Plan
from pipeline.select.draws import draws
from pipeline.select.expressions import compile_predicate
from pipeline.select.fitted_samplers import (
    FittingSampler,
    Frozen,
    Gumbel,
    PerplexityBand,
    UpsamplingCurve,
)
from pipeline.select.passes import InProcess, Outcome, make_plan
from pipeline.select.plan import Selection
from pipeline.select.quotas import Supply, apportion, quotas
from pipeline.select.samplers import (
    BottomK,
    HighPerplexity,
    Level,
    Sampler,
    Threshold,
    TopK,
    Uniform,
    Weights,
)
from schemas.errors import WinnowError

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("n_bytes", pa.int64()),
        pa.field("n_tokens", pa.int64()),
        pa.field("score", pa.float64()),
        pa.field("source", pa.string()),
    ]
)
Row = tuple[str, int, float, str]
ROWS = st.lists(
    st.tuples(
        st.integers(1, 50),
        st.sampled_from([0.0, 0.5, 0.5, 1.0, -3.0, 7.25]),
        st.sampled_from("abc"),
    ),
    max_size=60,
)


def batch(rows: list[tuple[int, float, str]]) -> pa.RecordBatch:
    records = [
        {"id": f"{i:032x}", "n_bytes": 9 * t, "n_tokens": t, "score": s, "source": c}
        for i, (t, s, c) in enumerate(rows)
    ]
    return pa.RecordBatch.from_pylist(records, SCHEMA)


def batch_of(rows: pa.RecordBatch, where: str) -> pa.RecordBatch:
    """The rows that pass."""
    fields = {item.name: item for item in SCHEMA}
    return rows.filter(compile_predicate(where, fields).evaluate(rows))


Samplers = Sampler | FittingSampler


def selection(sampler: Samplers, budget: int | None, **more: object) -> Selection:
    catalogue = {item.name: item for item in SCHEMA}
    parts = {"strata": ("source",), "tokens_column": "n_tokens", "score": "score", **more}
    return Selection(catalogue=catalogue, sampler=sampler, seed=7, budget=budget, **parts)  # type: ignore[arg-type]


def outcome(chosen: Selection, batches: list[pa.RecordBatch]) -> tuple[Outcome, dict[str, int]]:
    """The plan over any cut in batches, and how often each document is taken."""
    passes = InProcess(lambda: batches)
    made = make_plan(chosen, passes)
    kept: dict[str, int] = {}
    for one, dropped in passes.batches():
        rows = made.selection.prepare(one)[0].without(dropped)
        copies = made.selection.keep(rows, made.plan).tolist()
        kept.update(zip(rows.ids.to_pylist(), copies, strict=True))
    return made, kept


def choose(chosen: Selection, batches: list[pa.RecordBatch]) -> tuple[Plan, dict[str, int]]:
    made, kept = outcome(chosen, batches)
    return made.plan, kept


def frozen_by_hand(sampler: Samplers, scores: list[float]) -> Frozen | None:
    """Ranks by counting, moments by their definition."""
    if isinstance(sampler, Gumbel) and sampler.normalise:
        values = np.array(scores)
        return {"mean": [float(values.mean())], "deviation": [float(values.std())]}
    if isinstance(sampler, PerplexityBand | UpsamplingCurve):
        levels = sorted(set(scores))
        counts = [float(scores.count(level)) for level in levels]
        return {"from": levels, "to": levels, "documents": counts}
    return None


Entry = tuple[float, int, str, int]
"""Key, tie, id and cost."""


def entries(chosen: Selection, rows: pa.RecordBatch) -> dict[str, list[Entry]]:
    """Every copy that may be taken, by stratum, the best first."""
    found: dict[str, list[Entry]] = {}
    for source in sorted(set(rows.column("source").to_pylist())):
        mine = rows.filter(pa.compute.equal(rows.column("source"), source))
        ids, scores = mine.column("id"), mine.column("score").to_numpy()
        more = frozen_by_hand(chosen.sampler, scores.tolist())
        given = () if more is None else (more,)
        keys = np.atleast_2d(chosen.sampler.keys(scores, draws(7, "sample", ids), *given))
        ties = draws(7, "tie", ids).tolist()
        costs = mine.column("n_bytes" if chosen.budget_unit == "bytes" else "n_tokens").to_pylist()
        listed = [
            (float(key), tie, name, cost)
            for copy in keys
            for key, tie, name, cost in zip(copy, ties, ids.to_pylist(), costs, strict=True)
            if key > -np.inf
        ]
        found[json.dumps([source])] = sorted(listed, reverse=True)
    return found


def oracle(chosen: Selection, rows: pa.RecordBatch) -> dict[str, int]:
    """Sort each stratum; take the longest prefix that fits."""
    strata = entries(chosen, rows)
    available = {
        name: sum({document: cost for _, _, document, cost in places}.values())
        for name, places in strata.items()
    }
    capacity = {name: sum(cost for *_, cost in places) for name, places in strata.items()}
    assert chosen.budget is not None
    limit = chosen.max_repeats or 1
    supply = Supply(available, capacity)
    wanted = quotas(supply, chosen.budget, chosen.quotas, chosen.shortfall, limit)
    kept = dict.fromkeys(rows.column("id").to_pylist(), 0)
    for name, places in strata.items():
        left = wanted[name]
        for _, _, document, cost in places * limit:
            if cost > left:
                break
            left -= cost
            kept[document] += 1
    return kept


ALL: list[Samplers] = [
    Uniform(),
    TopK(),
    BottomK(),
    Threshold(minimum=0.5),
    Level(level=0.5),
    Gumbel(temperature=0.5),
    Gumbel(temperature=2.0, normalise=True),
    HighPerplexity(threshold=0.25),
    Weights(),
    Weights(power=-1.0, max_copies=3),
    PerplexityBand(band="low", rate=0.4),
    PerplexityBand(band="medium", rate=0.5),
    PerplexityBand(band="high", rate=0.3),
    PerplexityBand(between=(0.1, 0.6)),
    UpsamplingCurve(drop=0.3, power=2.0, growth=1.0, max_copies=4),
]


@pytest.mark.parametrize("sampler", ALL, ids=repr)
@settings(max_examples=25, deadline=None)
@given(
    rows=ROWS,
    budget=st.integers(1, 2000),
    cuts=st.integers(1, 5),
    kind=st.sampled_from(["proportional", "equal"]),
    repeats=st.none() | st.integers(1, 4),
    unit=st.sampled_from(["tokens", "bytes"]),
)
def test_plan_is_the_oracles_for_any_cut(
    sampler: Samplers,
    rows: list[tuple[int, float, str]],
    budget: int,
    cuts: int,
    kind: str,
    repeats: int | None,
    unit: str,
) -> None:
    shortfall = "repeat" if repeats else "redistribute"
    more = {"quotas": kind, "budget_unit": unit, "shortfall": shortfall, "max_repeats": repeats}
    chosen = selection(sampler, budget, **more)
    whole = batch(rows)
    shuffled = whole.take(
        pa.array(random.Random(budget).sample(range(len(rows)), len(rows)), pa.int64())
    )
    pieces = [shuffled.slice(i, cuts) for i in range(0, len(rows), cuts)]
    plan, kept = choose(chosen, pieces)
    assert kept == oracle(chosen, whole)
    strict = selection(sampler, budget, **more, where="source <> 'a'")
    _, kept = choose(strict, pieces)
    assert kept == oracle(strict, batch_of(whole, "source <> 'a'"))
    assert all(cut.achieved <= (cut.wanted or 0) for cut in plan.strata)
    assert sum(cut.achieved for cut in plan.strata) <= budget
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, smaller=st.integers(1, 400), more=st.integers(0, 400))
def test_a_larger_budget_keeps_what_a_smaller_one_took(
    rows: list[tuple[int, float, str]], smaller: int, more: int
) -> None:
    """Within one stratum the selection is a prefix of one order."""
    for sampler in (Uniform(), TopK(), Gumbel()):
        _, few = choose(selection(sampler, smaller, strata=()), [batch(rows)])
        _, many = choose(selection(sampler, smaller + more, strata=()), [batch(rows)])
        assert all(many[name] >= few[name] for name in few)


def test_equal_keys_fall_to_the_tie_and_bins_are_searched_to_the_last_bit() -> None:
    """Scores that differ in the last bit alone are told apart."""
    near = [1.0, float(np.nextafter(1.0, 2)), float(np.nextafter(1.0, 0)), 1.0]
    rows = [(10, score, "a") for score in near]
    _, kept = choose(selection(TopK(), 10), [batch(rows)])
    assert kept == {f"{i:032x}": int(i == 1) for i in range(4)}
    _, kept = choose(selection(TopK(), 30), [batch(rows)])
    assert kept[f"{2:032x}"] == 0


def test_rules_are_counted_one_by_one_and_null_is_not_kept() -> None:
    records = [
        {"id": "a", "n_bytes": 1, "n_tokens": 5, "score": 1.0, "source": "x"},
        {"id": "b", "n_bytes": 1, "n_tokens": 6, "score": None, "source": "x"},
        {"id": "c", "n_bytes": 1, "n_tokens": None, "score": 2.0, "source": "x"},
        {"id": "d", "n_bytes": 1, "n_tokens": 7, "score": 3.0, "source": None},
        {"id": "e", "n_bytes": 1, "n_tokens": 8, "score": 9.0, "source": "y"},
    ]
    chosen = selection(TopK(), 100, where="source = 'x' and n_bytes < 2")
    prepared, tally = chosen.prepare(pa.RecordBatch.from_pylist(records, SCHEMA))
    assert prepared.ids.to_pylist() == ["a"]
    assert prepared.rows.tolist() == [0]
    assert tally.rules == (
        ("source = 'x'", 3, 11, 2),
        ("n_bytes < 2", 3, 11, 0),
        ("n_tokens is not null", 2, 11, 1),
        ("score (score) is not null", 1, 5, 1),
    )
    assert [rule for rule, *_ in tally.rules] == chosen.rules()
    assert set(chosen.columns) == {"id", "n_bytes", "n_tokens", "score", "source"}


def test_without_a_budget_everything_eligible_is_taken() -> None:
    _, kept = choose(selection(TopK(), None), [batch([(1, 1.0, "a"), (2, 2.0, "b")])])
    assert set(kept.values()) == {1}


def test_documents_that_cost_nothing_are_taken_once() -> None:
    free = batch([(0, 1.0, "a"), (0, 2.0, "b"), (0, 3.0, "b")])
    for chosen in (
        selection(TopK(), None),
        selection(Uniform(), None, tokens_column=None, strata=()),
        selection(TopK(), 1000),
    ):
        plan, copies = choose(chosen, [free])
        assert list(copies.values()) == [1, 1, 1]
        assert sum(cut.achieved_documents for cut in plan.strata) == 3
    # A stratum whose quota is all that it has is taken as it is.
    some = batch([(0, 9.0, "a"), (5, 1.0, "a"), (5, 0.5, "b"), (0, 0.1, "b")])
    assert list(choose(selection(TopK(), 10), [some])[1].values()) == [1, 1, 1, 1]


def test_repeats_are_whole_copies_and_a_prefix() -> None:
    chosen = selection(TopK(), 25, shortfall="repeat", max_repeats=3, strata=())
    plan, kept = choose(chosen, [batch([(5, 1.0, "a"), (5, 2.0, "a")])])
    assert kept == {f"{0:032x}": 2, f"{1:032x}": 3}
    assert plan.strata[0].achieved == 25


def test_a_shortfall_can_be_an_error() -> None:
    chosen = selection(TopK(), 100, shortfall="fail")
    with pytest.raises(WinnowError, match=r"wants 100 of 5"):
        choose(chosen, [batch([(5, 1.0, "a")])])


def test_redistribution_goes_on_until_none_is_short() -> None:
    assert quotas(Supply({"a": 10, "b": 100, "c": 1000}), 600, "equal", "redistribute") == {
        "a": 10,
        "b": 100,
        "c": 490,
    }
    assert quotas(Supply({"a": 10}), 50, "equal", "redistribute") == {"a": 10}


@given(
    st.integers(0, 10**9), st.dictionaries(st.text(max_size=3), st.integers(1, 10**6), min_size=1)
)
def test_apportionment_is_exact(total: int, weights: dict[str, int]) -> None:
    from fractions import Fraction

    given_ = apportion(total, {key: Fraction(value) for key, value in weights.items()})
    assert sum(given_.values()) == total
    whole = sum(weights.values())
    assert all(abs(given_[k] - total * w / whole) <= 1 for k, w in weights.items())


def test_adding_a_document_moves_only_the_margin() -> None:
    rows = [(10, float(i), "a") for i in range(20)]
    chosen = selection(Gumbel(temperature=3.0), 100)
    _, before = choose(chosen, [batch(rows)])
    _, after = choose(chosen, [batch([*rows, (10, 25.0, "a")])])
    changed = [name for name in before if before[name] != after[name]]
    assert len(changed) <= 1


def test_gumbel_follows_its_weights() -> None:
    """First places over many seeds against softmax(score / T): chi-square, 2 degrees of freedom."""
    scores = np.array([0.0, 0.5, 1.0])
    ids = pa.array([f"{i:032x}" for i in range(3)])
    sampler = Gumbel(temperature=0.7)
    wins = np.zeros(3)
    for seed in range(3000):
        wins[np.argmax(sampler.keys(scores, draws(seed, "sample", ids)))] += 1
    weights = np.exp(scores / 0.7)
    expected = 3000 * weights / weights.sum()
    assert float(((wins - expected) ** 2 / expected).sum()) < 13.8


def test_uniform_treats_all_alike() -> None:
    ids = pa.array([f"{i:032x}" for i in range(4)])
    wins = np.zeros(4)
    for seed in range(3000):
        wins[np.argmax(draws(seed, "tie", ids))] += 1
    assert float(((wins - 750) ** 2 / 750).sum()) < 16.3
