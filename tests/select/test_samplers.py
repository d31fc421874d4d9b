"""Samplers: frequencies against their weights, and that nothing but seed, id and score counts."""

import math
from collections import Counter
from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.select.draws import draws
from pipeline.select.fitted_samplers import Gumbel
from pipeline.select.samplers import SAMPLERS, Sampler, TopK, Uniform

ALL: list[Sampler] = [Uniform(), TopK(), Gumbel(temperature=0.3)]
IDS = st.lists(st.text("0123456789abcdef", min_size=32, max_size=32), unique=True, max_size=20)


def ids_of(count: int) -> pa.Array:
    return pa.array([f"{i:032x}" for i in range(count)])


def order(sampler: Sampler, seed: int, scores: list[float], ids: pa.Array) -> list[str]:
    """Best key first, ties by another draw: how a plan orders a stratum."""
    keys = sampler.keys(np.array(scores, float), draws(seed, "sample", ids))
    places = zip(keys.tolist(), draws(seed, "tie", ids).tolist(), ids.to_pylist(), strict=True)
    return [name for *_, name in sorted(places, reverse=True)]


@pytest.mark.parametrize("sampler", ALL, ids=lambda s: s.method)
@given(IDS, st.integers(0, 2**63), st.randoms(use_true_random=False), st.integers(0, 20))
def test_a_documents_place_is_its_own(
    sampler: Sampler, names: list[str], seed: int, chance: object, cut: int
) -> None:
    scores = {name: float(int(name[:4], 16) % 5) for name in names}
    whole = order(sampler, seed, [scores[n] for n in names], pa.array(names, pa.string()))
    turned = sorted(names, reverse=True)
    assert order(sampler, seed, [scores[n] for n in turned], pa.array(turned, pa.string())) == whole
    some = names[:cut]
    part = order(sampler, seed, [scores[n] for n in some], pa.array(some, pa.string()))
    assert part == [name for name in whole if name in some]


@given(IDS, st.integers(0, 2**40))
def test_draws_depend_on_seed_purpose_and_id_alone(names: list[str], seed: int) -> None:
    ids = pa.array(names, pa.string())
    found = draws(seed, "sample", ids)
    assert found.dtype == np.uint64
    assert found.tolist() == [int(draws(seed, "sample", pa.array([name]))[0]) for name in names]
    assert draws(seed, "sample", ids.cast(pa.large_string())).tolist() == found.tolist()
    if names:
        assert draws(seed, "tie", ids).tolist() != found.tolist()
        assert draws(seed + 1, "sample", ids).tolist() != found.tolist()


def chi_square(counts: Counter[tuple[int, ...]], weights: dict[tuple[int, ...], float]) -> float:
    total = sum(counts.values())
    return sum((counts[key] - total * p) ** 2 / (total * p) for key, p in weights.items())


def test_gumbel_orders_without_replacement_by_the_weights() -> None:
    """Whole orders of three against Plackett and Luce's model: chi-square, 5 degrees of freedom."""
    scores, temperature, seeds = [0.0, 0.4, 1.0], 0.8, 6000
    sampler, ids = Gumbel(temperature=temperature), ids_of(3)
    counts: Counter[tuple[int, ...]] = Counter()
    for seed in range(seeds):
        counts[tuple(int(name, 16) for name in order(sampler, seed, scores, ids))] += 1
    weight = [math.exp(score / temperature) for score in scores]
    expected: dict[tuple[int, ...], float] = {
        (a, b, c): weight[a] / sum(weight) * weight[b] / (weight[b] + weight[c])
        for a, b, c in permutations(range(3))
    }
    assert sum(expected.values()) == pytest.approx(1)
    assert chi_square(counts, expected) < 20.5  # 99.9 % of samples


def test_uniform_orders_are_all_alike() -> None:
    """The score does not count; all 24 orders of four: chi-square, 23 degrees of freedom."""
    ids = ids_of(4)
    counts: Counter[tuple[int, ...]] = Counter()
    for seed in range(6000):
        found = order(Uniform(), seed, [9.0, 0.0, -3.0, 1.0], ids)
        counts[tuple(int(name, 16) for name in found)] += 1
    expected: dict[tuple[int, ...], float] = dict.fromkeys(permutations(range(4)), 1 / 24)
    assert chi_square(counts, expected) < 49.7


def test_draws_are_uniform_over_their_range() -> None:
    """The top and the bottom byte of many draws: chi-square, 255 degrees of freedom."""
    found = draws(11, "sample", ids_of(50_000))
    for byte in (found >> np.uint64(56), found & np.uint64(255)):
        counts = np.bincount(byte.astype(np.int64), minlength=256)
        assert float(((counts - 50_000 / 256) ** 2 / (50_000 / 256)).sum()) < 330


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_top_k_is_the_order_of_the_scores(scores: list[float]) -> None:
    found = order(TopK(), 3, scores, ids_of(len(scores)))
    ordered = [scores[int(name, 16)] for name in found]
    assert ordered == sorted(scores, reverse=True)


@given(st.floats(-50, 50), st.floats(0.01, 10))
@settings(max_examples=60)
def test_gumbel_is_finite_and_moves_with_the_score(score: float, temperature: float) -> None:
    edge = np.array([0, 1, 2**63, 2**64 - 1], np.uint64)
    keys = Gumbel(temperature=temperature).keys(np.full(4, score), edge)
    assert np.isfinite(keys).all()
    assert (np.diff(keys) >= 0).all()
    raised = Gumbel(temperature=temperature).keys(np.full(4, score + 1), edge)
    assert raised - keys == pytest.approx(np.full(4, 1 / temperature), rel=1e-6)


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan")])
def test_a_temperature_is_above_nothing(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be above 0"):
        Gumbel(temperature=temperature)


def test_samplers_are_found_by_their_method() -> None:
    assert SAMPLERS["gumbel"] is Gumbel
    assert {sampler.method for sampler in ALL} <= SAMPLERS.keys()
