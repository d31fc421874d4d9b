"""Quotas against a slow re-implementation, and their laws."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.select.quotas import Supply, apportion, quotas
from schemas.errors import WinnowError

AVAILABLE = st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 60), max_size=6)
KINDS = st.sampled_from(["proportional", "equal"])


def dealt(total: int, weights: dict[str, int]) -> dict[str, int]:
    """The floors, then one by one to the largest remainder, the smaller key first."""
    whole = sum(weights.values())
    given_ = {key: total * weight // whole for key, weight in weights.items()}
    while sum(given_.values()) < total:
        lacking = {k: Fraction(total * w, whole) - given_[k] for k, w in weights.items()}
        given_[min(lacking, key=lambda k: (-lacking[k], k))] += 1
    return given_


@settings(deadline=None)
@given(st.integers(0, 500), st.dictionaries(st.text(max_size=2), st.integers(1, 40), min_size=1))
def test_apportionment_is_by_largest_remainder(total: int, weights: dict[str, int]) -> None:
    shares = {key: Fraction(value) for key, value in weights.items()}
    assert apportion(total, shares) == dealt(total, weights)


def test_ties_go_to_the_smaller_key_and_nothing_to_no_weight() -> None:
    assert apportion(2, {"b": Fraction(1), "a": Fraction(1), "c": Fraction(1)}) == {
        "a": 1,
        "b": 1,
        "c": 0,
    }
    assert apportion(7, {"a": Fraction(0)}) == {"a": 0}
    assert apportion(7, {}) == {}


@settings(deadline=None)
@given(AVAILABLE, st.integers(1, 400), KINDS)
def test_redistribution_fills_those_that_are_not_short(
    available: dict[str, int], budget: int, kind: str
) -> None:
    wanted = quotas(Supply(available), budget, kind, "redistribute")
    assert wanted.keys() == available.keys()
    assert all(0 <= wanted[key] <= available[key] for key in available)
    assert sum(wanted.values()) == min(budget, sum(available.values()))
    # By definition: those short of their share, among the ones left, are taken out until none is.
    left, open_ = budget, {key: value for key, value in available.items() if value}
    expected: dict[str, int] = {}
    while open_:
        shares = open_ if kind == "proportional" else dict.fromkeys(open_, 1)
        parts = dealt(left, shares)
        short = [key for key in open_ if parts[key] > available[key]]
        if not short:
            expected |= parts
            break
        for key in short:
            expected[key] = open_.pop(key)
            left -= expected[key]
    assert wanted == {key: expected.get(key, 0) for key in available}


@settings(deadline=None)
@given(AVAILABLE, st.integers(1, 400), KINDS, st.integers(1, 5))
def test_repeats_are_limited(
    available: dict[str, int], budget: int, kind: str, repeats: int
) -> None:
    wanted = quotas(Supply(available), budget, kind, "repeat", repeats)
    assert all(wanted[key] <= repeats * available[key] for key in available)
    assert sum(wanted.values()) == min(budget, repeats * sum(available.values()))
    more = Supply({key: repeats * value for key, value in available.items()})
    same = quotas(more, budget, kind, "redistribute")
    assert wanted == same


@settings(deadline=None)
@given(AVAILABLE, st.integers(1, 400), KINDS)
def test_fail_fails_where_any_is_short_and_else_changes_nothing(
    available: dict[str, int], budget: int, kind: str
) -> None:
    held = {key: value for key, value in available.items() if value}
    shares = held if kind == "proportional" else dict.fromkeys(held, 1)
    plain = dealt(budget, shares) if held else {}
    short = sorted(key for key in held if plain[key] > held[key])
    if short:
        with pytest.raises(WinnowError, match=f"{short[0]} wants {plain[short[0]]}"):
            quotas(Supply(available), budget, kind, "fail")
    else:
        wanted = quotas(Supply(available), budget, kind, "fail")
        assert wanted == {key: plain.get(key, 0) for key in available}


@settings(deadline=None)
@given(AVAILABLE, st.integers(1, 400), KINDS)
def test_the_order_of_the_strata_does_not_matter(
    available: dict[str, int], budget: int, kind: str
) -> None:
    turned = dict(reversed(available.items()))
    assert quotas(Supply(available), budget, kind, "redistribute") == quotas(
        Supply(turned), budget, kind, "redistribute"
    )
