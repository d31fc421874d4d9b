"""Fits: what a score or a sampler has to know of a whole stratum, observed and then frozen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.select.bits import ordered
from pipeline.select.pools import (
    Bins,
    Intervals,
    Moments,
    Pool,
    first_bins,
    inner_bins,
    merged_bins,
    refined,
    to_refine,
)
from pipeline.select.strata import Codes

Frozen = Mapping[str, Sequence[float]]
Fitted = Mapping[str, Mapping[str, Frozen]]
"""By what was fitted, then by stratum."""

Key = tuple[str, str]
"""What is fitted, and the stratum."""
Values = tuple[Codes, Sequence[str], npt.NDArray[np.float64]]
"""Of some rows: the number of each stratum, the strata, and the value."""


_Told = tuple[str, str, Sequence[Sequence[int]]]


@dataclass(frozen=True)
class Observation:
    """Moments and bins by fit and stratum; `+` merges, in any order, as the first one says."""

    moments: Mapping[Key, Moments] = field(default_factory=dict)
    bins: Mapping[Key, Bins] = field(default_factory=dict)
    inside: Mapping[Key, Intervals] = field(default_factory=dict)
    """The intervals whose values are looked at; none where all are."""

    def __add__(self, other: "Observation") -> "Observation":
        moments, bins = dict(self.moments), dict(self.bins)
        for key, more in other.moments.items():
            moments[key] = moments.get(key, Moments()) + more
        for key, rows in other.bins.items():
            pieces = [bins[key], rows] if key in bins else [rows]
            bins[key] = merged_bins(pieces, self.inside.get(key))
        return Observation(moments, bins, self.inside)

    def to_json(self) -> dict[str, object]:
        """Plain lists."""
        return {
            "moments": [
                [*k, [[e, *s] for e, s in m.sums.items()]] for k, m in self.moments.items()
            ],
            "bins": [[*key, rows.tolist()] for key, rows in self.bins.items()],
        }

    @classmethod
    def from_json(
        cls, told: Mapping[str, Sequence[tuple[str, str, Sequence[Sequence[int]]]]]
    ) -> "Observation":
        """What `to_json` gave."""
        moments = {
            (fit, stratum): Moments({s[0]: (s[1], s[2], s[3], s[4]) for s in sums})
            for fit, stratum, sums in told["moments"]
        }
        bins = {
            (fit, stratum): np.array(rows, np.uint64).reshape(-1, 3)
            for fit, stratum, rows in told["bins"]
        }
        return cls(moments, bins)


@dataclass(frozen=True)
class Looking:
    """How far the observation of some fits has come: first all values, then heavy bins alone."""

    held: Observation | None = None
    inside: Mapping[Key, Intervals] = field(default_factory=dict)

    def nothing(self) -> Observation:
        """What the sums of a pass are added to."""
        return Observation(inside=self.inside)

    def observe(self, fit: str, values: Values, ranked: bool) -> Observation:
        """The sums of some rows; without `ranked` their moments alone."""
        codes, strata, numbers = values
        moments: dict[Key, Moments] = {}
        bins: dict[Key, Bins] = {}
        order = np.argsort(codes, kind="stable")
        ends = np.searchsorted(codes[order], np.arange(len(strata) + 1))
        for code, stratum in enumerate(strata):
            mine = numbers[order[ends[code] : ends[code + 1]]]
            key = (fit, stratum)
            if not len(mine):
                continue
            if self.held is None:
                moments[key] = Moments.of(mine)
                bins[key] = first_bins(ordered(mine[: None if ranked else 0]))
            elif key in self.inside:
                bins[key] = inner_bins(ordered(mine), self.inside[key])
        return Observation(moments, bins)

    def refine(self, found: Observation) -> "Looking":
        """With what a whole pass found; nothing is left `inside` once it is close enough."""
        held = found
        if self.held is not None:
            bins = {
                key: refined(rows, found.bins[key]) if key in found.bins else rows
                for key, rows in self.held.bins.items()
            }
            held = Observation(self.held.moments, bins)
        heavy = {key: to_refine(rows) for key, rows in held.bins.items()}
        return Looking(held, {key: rows for key, rows in heavy.items() if len(rows)})

    def pools(self, fit: str) -> dict[str, Pool]:
        """Each stratum's pool of a fit."""
        assert self.held is not None
        return {
            stratum: Pool(moments, self.held.bins[name, stratum])
            for (name, stratum), moments in self.held.moments.items()
            if name == fit
        }
