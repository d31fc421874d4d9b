"""Radix bins: integer sums that tell, ever more closely, where a stratum's budget ends."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

LEVELS = 8
_BITS = 16


@dataclass(frozen=True)
class Summary:
    """Documents and cost by stratum and bin; `+` merges, in any order."""

    bins: Mapping[str, Mapping[int, tuple[int, int]]] = field(default_factory=dict)

    def __add__(self, other: "Summary") -> "Summary":
        merged = {stratum: dict(bins) for stratum, bins in self.bins.items()}
        for stratum, bins in other.bins.items():
            into = merged.setdefault(stratum, {})
            for place, (documents, cost) in bins.items():
                had = into.get(place, (0, 0))
                into[place] = (had[0] + documents, had[1] + cost)
        return Summary(merged)

    def to_json(self) -> dict[str, list[list[int]]]:
        """Rows of bin, documents, cost by stratum."""
        return {
            s: [[place, *sums] for place, sums in sorted(bins.items())]
            for s, bins in sorted(self.bins.items())
        }

    @classmethod
    def from_json(cls, told: Mapping[str, list[list[int]]]) -> "Summary":
        """What `to_json` gave."""
        return cls({s: {r[0]: (r[1], r[2]) for r in rows} for s, rows in told.items()})


@dataclass(frozen=True)
class Cut:
    """Where a stratum's selection ends; `copies` of every row, one more from `cut` upwards."""

    stratum: str
    wanted: int | None
    available: int
    available_documents: int
    achieved: int
    achieved_documents: int
    copies: int
    cut: str
    """The smallest 128-bit place that is taken once more, as 32 hex digits; `none` for none."""


@dataclass(frozen=True)
class Plan:
    """Every stratum's cut, in the order of the strata's keys."""

    strata: tuple[Cut, ...]

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {"strata": [asdict(cut) for cut in self.strata]}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Plan":
        """What `to_json` gave."""
        return cls(tuple(Cut(**cut) for cut in told["strata"]))


@dataclass(frozen=True)
class Stratum:
    """How far the search for a stratum's cut has come."""

    wanted: int | None
    available: int
    documents: int
    copies: int
    rest: int
    """Cost that the last, partial copy may have."""
    level: int = 0
    prefix: int = 0
    above: int = 0
    documents_above: int = 0


@dataclass(frozen=True)
class Focus:
    """The bins that the next summary looks into; empty at the first, which takes in all."""

    strata: Mapping[str, Stratum] = field(default_factory=dict)
    done: tuple[Cut, ...] = ()


def descend(stratum: str, state: Stratum, bins: Mapping[int, tuple[int, int]]) -> "Cut | Stratum":
    """Walk the bins from the top until the budget ends in one: that is the next to look into."""
    above, documents = state.above, state.documents_above
    shift = 128 - _BITS * (state.level + 1)
    for place in sorted(bins, reverse=True):
        count, cost = bins[place]
        prefix = (state.prefix << _BITS) | place
        if above + cost <= state.rest:
            above, documents = above + cost, documents + count
            continue
        if count == 1 or state.level + 1 == LEVELS:
            return _cut(stratum, state, above, documents, (prefix + 1) << shift)
        return Stratum(
            state.wanted,
            state.available,
            state.documents,
            state.copies,
            state.rest,
            state.level + 1,
            prefix,
            above,
            documents,
        )
    return _cut(stratum, state, above, documents, state.prefix << (shift + _BITS))


def _cut(stratum: str, state: Stratum, above: int, documents: int, place: int) -> Cut:
    taken = documents > 0
    return Cut(
        stratum,
        state.wanted,
        state.available,
        state.documents,
        state.copies * state.available + above,
        state.copies * state.documents + documents,
        state.copies,
        f"{place:032x}" if taken and place < 1 << 128 else "none",
    )


def ordered(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint64]:
    """The bits of doubles, turned so that they order as the numbers do."""
    bits = (values + 0.0).view(np.uint64)
    sign = np.uint64(1 << 63)
    return np.where(bits & sign, ~bits, bits | sign)


def digit(
    high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64], level: int
) -> npt.NDArray[np.int64]:
    """Each place's 16 bits at the level."""
    word, at = (high, level) if level < LEVELS // 2 else (low, level - LEVELS // 2)
    return ((word >> np.uint64(48 - _BITS * at)) & np.uint64(0xFFFF)).astype(np.int64)


def matches(
    high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64], level: int, prefix: int
) -> npt.NDArray[np.bool_]:
    """Which places begin with the first `level` digits of `prefix`."""
    if level == 0:
        return np.ones(len(high), bool)
    whole = prefix << (128 - _BITS * level)
    top, bottom = whole >> 64, whole & (2**64 - 1)
    half = LEVELS // 2
    if level <= half:
        shift = np.uint64(64 - _BITS * level)
        return np.asarray((high >> shift) == np.uint64(top >> int(shift)))
    shift = np.uint64(128 - _BITS * level)
    return np.asarray(
        (high == np.uint64(top)) & ((low >> shift) == np.uint64(bottom >> int(shift)))
    )


def place_key(place: str) -> float:
    """The sampler's key of a place, as a cut or `prepare` gives it in 32 hex digits."""
    bits = int(place, 16) >> 64
    sign = 1 << 63
    turned = bits ^ sign if bits & sign else bits ^ (2**64 - 1)
    return float(np.array([turned], np.uint64).view(np.float64)[0])
