"""Statistics of a stratum against their definitions, and selections that are fitted to them."""

import json
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.select.bits import ordered, restored
from pipeline.select.clusters import words_of
from pipeline.select.draws import draws
from pipeline.select.fits import Looking, Observation
from pipeline.select.fitted_samplers import Gumbel, PerplexityBand, UpsamplingCurve
from pipeline.select.margins import Margins, find_margins
from pipeline.select.passes import InProcess, Outcome, make_plan
from pipeline.select.plan import Selection
from pipeline.select.pools import RESOLUTION, Pool, quantile, ranks
from pipeline.select.quotas import Quota, Supply, fill, quotas
from pipeline.select.samplers import HighPerplexity, TopK, Uniform, Weights
from schemas.errors import WinnowError

VALUES = st.lists(
    st.floats(-1e300, 1e300) | st.sampled_from([0.0, -0.0, 1.0, 1.0, 5e-324, 1e-310]),
    min_size=1,
    max_size=40,
)
FIELDS = {
    "id": pa.field("id", pa.string()),
    "n_bytes": pa.field("n_bytes", pa.int64()),
    "n_tokens": pa.field("n_tokens", pa.int64()),
    "x": pa.field("x", pa.float64()),
    "y": pa.field("y", pa.float64()),
    "s": pa.field("s", pa.string()),
    "c": pa.field("c", pa.string()),
}
SCHEMA = pa.schema(list(FIELDS.values()))


def pool_of(pieces: Sequence[Sequence[float] | np.ndarray]) -> Pool:
    """What is found of values that come in pieces, told as JSON between."""
    looking = Looking()
    while True:
        found = looking.nothing()
        for piece in pieces:
            values = np.array(piece, np.float64)
            seen = looking.observe("f", (np.zeros(len(values), np.int64), ["s"], values), True)
            found = found + Observation.from_json(json.loads(json.dumps(seen.to_json())))
        looking = looking.refine(found)
        if not looking.inside:
            return looking.pools("f")["s"]


@settings(max_examples=100, deadline=None)
@given(VALUES, st.integers(1, 7), st.floats(0, 1), st.randoms(use_true_random=False))
def test_small_pools_are_exact_however_they_are_cut(
    values: list[float], cut: int, share: float, chance: random.Random
) -> None:
    turned = chance.sample(values, len(values))
    pool = pool_of([turned[i : i + cut] for i in range(0, len(turned), cut)])
    table = pool.table()
    assert table == pool_of([values]).table()
    by_hand = [
        (sum(v < x for v in values) + sum(v == x for v in values) / 2) / len(values) for x in values
    ]
    assert ranks(np.array(values), table) == pytest.approx(by_hand)
    reached = sorted(values)[max(0, math.ceil(share * len(values) - 1e-9) - 1)]
    found = quantile(table, share)
    assert found is not None
    assert sum(v <= found for v in values) >= share * len(values) - 1e-6
    assert found <= reached or found == pytest.approx(reached)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.integers(1, 7))
def test_moments_are_those_of_the_values(values: list[float], cut: int) -> None:
    pool = pool_of([values[i : i + cut] for i in range(0, len(values), cut)])
    assert pool.moments == pool_of([values[::-1]]).moments
    size = max(map(abs, values))
    assert pool.mean == pytest.approx(statistics.mean(values), rel=1e-7, abs=1e-8 * size)
    assert pool.deviation == pytest.approx(statistics.pstdev(values), rel=1e-3, abs=1e-4 * size)


def test_large_pools_are_as_exact_as_the_resolution_says() -> None:
    generator = np.random.default_rng(3)
    values = np.concatenate(
        [generator.normal(size=30_000), generator.random(20_000) ** 9, np.full(9_000, 0.25)]
    )
    pool = pool_of(np.array_split(values, 7))
    table = pool.table()
    assert len(table["documents"]) < 2 * RESOLUTION + 10
    found = ranks(values, table)
    ordered_values = np.sort(values)
    below = np.searchsorted(ordered_values, values, "left")
    exact = (below + np.searchsorted(ordered_values, values, "right")) / 2 / len(values)
    assert np.abs(found - exact).max() <= 0.5 / RESOLUTION + 1e-9
    assert pool.deviation == pytest.approx(values.std(), rel=1e-8)


@given(st.lists(st.floats(allow_nan=False), min_size=2, max_size=9))
def test_bits_order_as_the_numbers(values: list[float]) -> None:
    array = np.array(values)
    bits = ordered(array)
    assert restored(bits).tolist() == (array + 0.0).tolist()
    assert (bits[:-1] < bits[1:]).tolist() == (array[:-1] < array[1:]).tolist()


def test_many_draws_are_those_of_few() -> None:
    ids = pa.array([f"{i * 7919:032x}" for i in range(5000)])
    found = draws(3, "sample", ids)
    assert found[4990:].tolist() == draws(3, "sample", ids.slice(4990)).tolist()
    assert draws(3, "sample", ids.slice(1)).tolist() == found[1:].tolist()


def test_words_tell_strings_apart() -> None:
    strings = ["a", "b", "", "0" * 32, "0" * 31 + "1", "A" * 32, "a" * 32, "g" * 32]
    high, low = words_of(pa.array(strings))
    assert len(set(zip(high.tolist(), low.tolist(), strict=True))) == len(strings)
    assert (high[4], low[4]) == (0, 1)
    whole = words_of(pa.array(strings[3:5]))
    assert [w.tolist() for w in whole] == [[0, 0], [0, 1]]


def rows(count: int, seed: int = 5) -> pa.RecordBatch:
    chance = random.Random(seed)
    records = [
        {
            "id": f"{i:032x}",
            "n_bytes": chance.randint(1, 9),
            "n_tokens": chance.randint(1, 20),
            "x": chance.gauss(0, 1),
            "y": float(chance.randint(1, 5)),
            "s": chance.choice("ab"),
            "c": f"{chance.randint(0, count // 2):032x}",
        }
        for i in range(count)
    ]
    return pa.RecordBatch.from_pylist(records, SCHEMA)


def select(batch: pa.RecordBatch, cut: int = 7, **keys: object) -> tuple[Outcome, dict[str, int]]:
    given_ = {
        "sampler": TopK(),
        "tokens_column": "n_tokens",
        "strata": ("s",),
        "score": "x",
        **keys,
    }
    selection = Selection(catalogue=FIELDS, seed=7, **given_)  # type: ignore[arg-type]
    passes = InProcess(lambda: [batch.slice(i, cut) for i in range(0, len(batch), cut)])
    outcome = make_plan(selection, passes)
    kept: dict[str, int] = {}
    for piece, dropped in passes.batches():
        found = outcome.selection.prepare(piece)[0].without(dropped)
        copies = outcome.selection.keep(found, outcome.plan)
        kept.update(zip(found.ids.to_pylist(), copies.tolist(), strict=True))
    return outcome, kept


def taken(kept: dict[str, int]) -> set[str]:
    return {name for name, copies in kept.items() if copies}


def test_rank_in_where_is_of_all_and_in_score_of_what_where_keeps() -> None:
    batch = rows(60)
    table = batch.to_pandas()
    _, kept = select(batch, where="rank(x) >= 0.5", sampler=Uniform(), score=None)
    share = table.groupby("s")["x"].rank(method="average").sub(0.5)
    share /= table.groupby("s")["x"].transform("size")
    assert taken(kept) == set(table["id"][share >= 0.5])
    outcome, _ = select(batch, where="y > 2", score="rank(y) + zscore(x)")
    frozen = outcome.plan.fitted["score: rank(y)"]['["a"]']
    mine = table[(table["s"] == "a") & (table["y"] > 2)]
    assert sum(frozen["documents"]) == len(mine)
    moments = outcome.plan.fitted["score: zscore(x)"]['["a"]']
    assert moments["mean"][0] == pytest.approx(mine["x"].mean(), abs=1e-8)
    assert moments["deviation"][0] == pytest.approx(mine["x"].std(ddof=0), rel=1e-6)


def test_functions_of_functions_are_fitted_one_after_the_other() -> None:
    batch = rows(50)
    score = "max(rank(zscore(x) / 2 + noise('x')), rank(y))"
    first, kept = select(batch, score=score, budget=200)
    second, again = select(batch, 11, score=score, budget=200)
    assert (first.plan, kept) == (second.plan, again)
    _, other = select(batch, score=score.replace("'x'", "'z'"), budget=200)
    assert taken(other) != taken(kept)
    assert len(first.plan.fitted) == 3


def test_quantiles_are_values() -> None:
    batch = rows(41)
    table = batch.to_pandas()
    _, kept = select(batch, where="x > quantile(x, 0.5)", strata=(), sampler=Uniform(), score=None)
    assert taken(kept) == set(table["id"][table["x"] > table["x"].median()])


@pytest.mark.parametrize("cut", [1, 7, 40, 80])
def test_of_each_cluster_the_best_that_passes_is_eligible(cut: int) -> None:
    batch = rows(80)
    table = batch.to_pandas()
    outcome, kept = select(batch, cut, where="y > 1", unique="c", score="y")
    mine = table[table["y"] > 1].sort_values(["y", "n_bytes", "id"], ascending=[False, False, True])
    best = mine.drop_duplicates("c")
    assert taken(kept) == set(best["id"])
    assert outcome.funnel[-1] == ("unique c", len(best), int(best["n_tokens"].sum()))


def test_what_a_sampler_never_takes_is_a_rule_of_the_funnel() -> None:
    batch = rows(60)
    inside = batch.to_pandas().query("x > 0.5")
    outcome, kept = select(batch, sampler=HighPerplexity(threshold=0.5))
    assert taken(kept) == set(inside["id"])
    assert outcome.funnel[-1] == (
        "sampler high_perplexity",
        len(inside),
        int(inside["n_tokens"].sum()),
    )
    assert sum(cut.available_documents for cut in outcome.plan.strata) == len(inside)


@pytest.mark.parametrize("sampler", [Gumbel(temperature=0.5, normalise=True), UpsamplingCurve()])
def test_a_fit_that_is_kept_moves_only_the_margin(sampler: Gumbel | UpsamplingCurve) -> None:
    """One more document changes the fate of few where the statistics are an earlier plan's."""
    batch = rows(200)
    keys: dict[str, Any] = {"sampler": sampler, "strata": (), "budget": 900}
    outcome, before = select(batch, **keys)
    record = {"id": "f" * 32, "n_bytes": 5, "n_tokens": 20, "x": 9.0, "y": 1.0, "s": "a", "c": "z"}
    more = pa.concat_batches([batch, pa.RecordBatch.from_pylist([record], SCHEMA)])
    again, after = select(more, **keys, fitted=outcome.plan.fitted)
    assert again.plan.fitted == outcome.plan.fitted
    lost = sum(max(0, before[name] - after[name]) for name in before)
    won = sum(max(0, after[name] - before[name]) for name in before)
    most = after["f" * 32]
    assert most > 0
    # What makes room has at least one token each, and a document at the cut may now fit.
    assert lost <= 20 * most + 1
    assert won <= 20
    kept = {name for name in before if before[name] == after[name]}
    assert len(kept) > len(before) * 0.7
    fresh, _ = select(more, **keys)
    assert fresh.plan.fitted != outcome.plan.fitted


def test_a_stratum_that_was_not_fitted_is_an_error() -> None:
    batch = rows(30)
    only_a = batch.filter(pa.compute.equal(batch["s"], "a"))
    outcome, _ = select(only_a, sampler=PerplexityBand(band="low", rate=0.5))
    with pytest.raises(WinnowError, match=r'sampler was not fitted to the stratum \["b"\]'):
        select(batch, sampler=PerplexityBand(band="low", rate=0.5), fitted=outcome.plan.fitted)


def inclusion(keys: np.ndarray, first: int) -> np.ndarray:
    """How often each is among the `first` largest keys; one row of keys a trial."""
    chosen = np.argsort(-keys, axis=1)[:, :first]
    return np.bincount(chosen.ravel(), minlength=keys.shape[1])


def chi_square(found: np.ndarray, expected: np.ndarray) -> float:
    return float(((found - expected) ** 2 / expected).sum())


def test_weights_are_drawn_in_proportion() -> None:
    """Firsts of three with keys w / u, against the integral of the others' chances to be below."""
    weights = np.array([1.0, 2.0, 4.0])
    ids = pa.array([f"{i:032x}" for i in range(3)])
    keys = np.array(
        [Weights().keys(weights, draws(seed, "sample", ids))[0] for seed in range(6000)]
    )
    steps = (np.arange(20_000) + 0.5) / 20_000
    chances = [
        np.prod([np.clip(1 - w * steps / own, 0, 1) for w in np.delete(weights, i)], axis=0).mean()
        for i, own in enumerate(weights)
    ]
    assert sum(chances) == pytest.approx(1, abs=1e-3)
    assert chi_square(inclusion(keys, 1), 6000 * np.array(chances)) < 13.8


def test_copies_follow_their_weights() -> None:
    """At a cut of 1 a weight of w is taken w times on the average: w rounded either way."""
    weights = np.array([0.3, 1.0, 1.6, 2.75, 9.0])
    ids = pa.array([f"{i:032x}" for i in range(5)])
    copies = np.array(
        [
            (Weights(max_copies=4).keys(weights, draws(seed, "sample", ids)) >= 1).sum(axis=0)
            for seed in range(3000)
        ]
    )
    assert (copies >= np.floor(np.minimum(weights, 4))).all()
    assert (copies <= np.minimum(np.ceil(weights), 4)).all()
    assert copies.mean(axis=0) == pytest.approx([0.3, 1.0, 1.6, 2.75, 4.0], abs=0.05)


def test_high_perplexity_follows_exp_of_the_loss() -> None:
    losses = np.array([2.9, 3.2, 4.0, 3.6])
    ids = pa.array([f"{i:032x}" for i in range(4)])
    sampler = HighPerplexity(threshold=3.0)
    keys = np.array([sampler.keys(losses, draws(seed, "sample", ids)) for seed in range(6000)])
    assert (keys[:, 0] == -np.inf).all()
    weights = np.exp(losses[1:] - 3.0)
    assert chi_square(inclusion(keys, 1)[1:], 6000 * weights / weights.sum()) < 13.8


def test_normalised_gumbel_does_not_mind_the_scale() -> None:
    batch = rows(60)
    scaled = batch.set_column(3, "x", pa.compute.add(pa.compute.multiply(batch["x"], 8.0), 64.0))
    keys: dict[str, Any] = {"sampler": Gumbel(temperature=2.0, normalise=True), "budget": 200}
    assert taken(select(batch, **keys)[1]) == taken(select(scaled, **keys)[1])


def test_quotas_can_follow_the_corpus() -> None:
    batch = rows(100)
    table = batch.to_pandas()
    keys: dict[str, Any] = {"where": "s = 'b' or y > 4", "budget": 150, "proportional_to": "corpus"}
    outcome, _ = select(batch, **keys)
    whole = table.groupby("s")["n_tokens"].sum()
    expected = {f'["{s}"]': 150 * n / whole.sum() for s, n in whole.items()}
    found = {cut.stratum: cut.wanted for cut in outcome.plan.strata}
    assert found == pytest.approx(expected, abs=1)
    pool, _ = select(batch, **{**keys, "proportional_to": "pool"})
    assert [cut.wanted for cut in pool.plan.strata] != [cut.wanted for cut in outcome.plan.strata]


def test_quotas_of_a_file() -> None:
    lines = (
        Quota('["a"]', Fraction(3), cap=40),
        Quota('["b"]', Fraction(1), floor=70),
        Quota('["z"]', Fraction(1)),
    )
    outcome, _ = select(rows(60), quotas=lines, budget=120)
    assert {cut.stratum: cut.wanted for cut in outcome.plan.strata} == {
        '["a"]': 40,
        '["b"]': 80,
        '["z"]': 0,
    }
    supply = Supply({"a": 10, "b": 10})
    twice = (Quota("a", Fraction(1), max_repeats=2), Quota("b", Fraction(1)))
    assert quotas(supply, 100, twice, "repeat", 3) == {"a": 20, "b": 30}
    with pytest.raises(WinnowError, match="the floors sum to 9, the budget is 8"):
        fill(8, {"a": Fraction(1)}, {"a": 9}, {"a": 20})


BOUNDS = st.dictionaries(
    st.sampled_from("abcde"),
    st.tuples(st.integers(0, 9), st.integers(0, 20), st.integers(0, 40)),
    min_size=1,
)


@given(BOUNDS, st.integers(1, 120))
def test_what_is_filled_keeps_its_bounds_and_else_its_shares(
    bounds: dict[str, tuple[int, int, int]], budget: int
) -> None:
    shares = {key: Fraction(1 + share) for key, (share, _, _) in bounds.items()}
    floors = {key: floor for key, (_, floor, _) in bounds.items()}
    limits = {key: limit for key, (*_, limit) in bounds.items()}
    low = {key: min(floors[key], limits[key]) for key in bounds}
    if sum(low.values()) > budget:
        with pytest.raises(WinnowError, match="the floors sum to"):
            fill(budget, shares, floors, limits)
        return
    found = fill(budget, shares, floors, limits)
    assert all(low[key] <= found[key] <= limits[key] for key in bounds)
    assert sum(found.values()) == min(budget, sum(limits.values()))
    # Between its bounds a stratum has its share of what is divided: the same rate everywhere.
    rates = [found[k] / shares[k] for k in bounds if low[k] < found[k] < limits[k]]
    assert all(abs(one - other) <= 1.01 for one in rates for other in rates)


def test_margins_are_the_documents_next_to_the_cut() -> None:
    batch = rows(60)
    outcome, kept = select(batch, budget=150)
    pieces = [
        batch.slice(i, 7).replace_schema_metadata({"part": "3", "start": str(i)})
        for i in range(0, 60, 7)
    ]
    found = Margins()
    for piece in pieces:
        none = np.zeros(0, np.int64)
        seen = find_margins(outcome.selection, outcome.plan, piece, none)
        found = found + Margins.from_json(json.loads(json.dumps(seen.to_json())))
    for stratum in ("a", "b"):
        mine = batch.to_pandas().query(f"s == '{stratum}'").sort_values("x")
        inside = [kept[name] > 0 for name in mine["id"]]
        at = inside.index(True)
        names = mine["id"].tolist()
        key = f'["{stratum}"]'
        assert [near[2] for near in found.taken[key]] == names[at : at + 2]
        assert [near[2] for near in found.left[key]] == names[at - 2 : at][::-1]
        assert all(
            near[3] == 3 and batch["id"][near[4]].as_py() == near[2] for near in found.taken[key]
        )


def test_a_selection_that_is_fitted_has_nothing_to_fit() -> None:
    outcome, _ = select(rows(20), score="rank(x)")
    assert not outcome.selection.pending()
    assert not replace(outcome.selection, sampler=Uniform()).sampler_pending
