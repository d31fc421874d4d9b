"""Quotas: what each stratum is to give, in whole tokens (or bytes)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from schemas.errors import WinnowError


@dataclass(frozen=True)
class Quota:
    """A stratum's line in a file of quotas."""

    stratum: str
    share: Fraction
    """Its part of the budget, beside the other lines' parts; or its tokens."""
    floor: int = 0
    cap: int | None = None
    max_repeats: int | None = None


@dataclass(frozen=True)
class Supply:
    """What there is of each stratum."""

    available: Mapping[str, int]
    """Each document once."""
    capacity: Mapping[str, int] = field(default_factory=dict)
    """With all copies that the sampler would take, where it takes more than one."""
    corpus: Mapping[str, int] | None = None
    """All documents, where quotas are in proportion to those."""


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
    supply: Supply,
    budget: int,
    kind: str | Sequence[Quota],
    shortfall: str,
    max_repeats: int = 1,
) -> dict[str, int]:
    """What each stratum is to give of `budget`.

    kind: `proportional` to what is available (or to the corpus), `equal`, or the lines of a file,
    which leave out every stratum that they do not name. shortfall: `redistribute` what a stratum
    lacks to those that are not short, by their shares; `repeat` lets a stratum give up to
    `max_repeats` times what it has; `fail` raises WinnowError where any is short.
    """
    lines = {} if isinstance(kind, str) else {line.stratum: line for line in kind}
    if lines:
        shares = {key: line.share for key, line in lines.items() if line.share or line.floor}
    else:
        base = supply.available if supply.corpus is None else supply.corpus
        shares = {k: Fraction(v if kind == "proportional" else 1) for k, v in base.items() if v}
    held = {key: supply.capacity.get(key, supply.available.get(key, 0)) for key in shares}
    limits = {}
    for key, cost in held.items():
        line = lines.get(key)
        repeats = max_repeats if line is None or line.max_repeats is None else line.max_repeats
        limits[key] = cost * (repeats if shortfall == "repeat" else 1)
    caps = {key: line.cap for key, line in lines.items() if line.cap is not None}
    floors = {key: line.floor for key, line in lines.items() if line.floor}
    if shortfall == "fail":
        open_ = {key: caps.get(key, budget) for key in shares}
        wanted = fill(budget, shares, floors, open_)
        _refuse_short(wanted, held)
    else:
        most = {key: min(limit, caps.get(key, limit)) for key, limit in limits.items()}
        wanted = fill(budget, shares, floors, most)
    return {key: wanted.get(key, 0) for key in {**supply.available, **shares}}


def _refuse_short(wanted: Mapping[str, int], held: Mapping[str, int]) -> None:
    short = sorted(key for key in wanted if wanted[key] > held[key])
    if short:
        told = ", ".join(f"{key} wants {wanted[key]:,} of {held[key]:,}" for key in short)
        raise WinnowError(f"too little is eligible ({told}); lower the budget, or say `shortfall`")


def fill(
    budget: int,
    shares: Mapping[str, Fraction],
    floors: Mapping[str, int],
    limits: Mapping[str, int],
) -> dict[str, int]:
    """The budget by shares, none above its limit, and none below its floor (or limit, if less).

    What a bound takes away or adds is divided among the others by their shares, until all hold:
    each step fixes the strata on the side that the bounds miss by more.
    """
    low = {key: min(floors.get(key, 0), limits[key]) for key in shares}
    if sum(low.values()) > budget:
        raise WinnowError(f"the floors sum to {sum(low.values()):,}, the budget is {budget:,}")
    fixed: dict[str, int] = {}
    while len(fixed) < len(shares):
        open_ = {key: share for key, share in shares.items() if key not in fixed}
        left = budget - sum(fixed.values())
        weight = sum(open_.values(), Fraction(0))
        exact = {k: left * share / weight if weight else Fraction(0) for k, share in open_.items()}
        over = {key: value - limits[key] for key, value in exact.items() if value > limits[key]}
        under = {key: low[key] - value for key, value in exact.items() if value < low[key]}
        if not over and not under:
            return {**fixed, **apportion(left, open_)}
        if sum(over.values()) >= sum(under.values()):
            fixed |= {key: limits[key] for key in over}
        else:
            fixed |= {key: low[key] for key in under}
    return fixed
