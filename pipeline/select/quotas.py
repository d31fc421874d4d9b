"""Quotas: what each stratum is to give, in whole tokens (or bytes)."""

from collections.abc import Mapping
from fractions import Fraction

from schemas.errors import WinnowError


def apportion(total: int, shares: Mapping[str, Fraction]) -> dict[str, int]:
    """Whole numbers that sum to `total`, by the largest remainder; ties to the smaller key."""
    weight = sum(shares.values(), Fraction(0))
    if not weight:
        return dict.fromkeys(shares, 0)
    exact = {key: total * share / weight for key, share in shares.items()}
    given = {key: int(value) for key, value in exact.items()}
    left = total - sum(given.values())
    for key in sorted(exact, key=lambda k: (given[k] - exact[k], k))[:left]:
        given[key] += 1
    return given


def quotas(
    available: Mapping[str, int], budget: int, kind: str, shortfall: str, max_repeats: int = 1
) -> dict[str, int]:
    """What each stratum is to give of `budget`.

    kind: `proportional` to what is available, or `equal`. shortfall: `redistribute` what a
    stratum lacks to those that are not short, by their shares; `repeat` lets a stratum give up to
    `max_repeats` times what it has; `fail` raises WinnowError where any is short.
    """
    shares = {
        key: Fraction(value if kind == "proportional" else 1)
        for key, value in available.items()
        if value
    }
    limit = {key: available[key] * (max_repeats if shortfall == "repeat" else 1) for key in shares}
    wanted = apportion(budget, shares)
    short = sorted(key for key in shares if wanted[key] > limit[key])
    if short and shortfall == "fail":
        told = ", ".join(f"{key} wants {wanted[key]:,} of {available[key]:,}" for key in short)
        raise WinnowError(f"too little is eligible ({told}); lower the budget, or say `shortfall`")
    full: set[str] = set()
    while short:
        full.update(short)
        open_ = {key: share for key, share in shares.items() if key not in full}
        left = budget - sum(limit[key] for key in full)
        wanted = {key: limit[key] for key in full} | apportion(max(0, left), open_)
        short = sorted(key for key in open_ if wanted[key] > limit[key])
    return {key: wanted.get(key, 0) for key in available}
