"""Summaries: documents and cost by stratum and bin, as integer sums that merge in any order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.select.bits import DIGIT, LEVELS, Words, digit
from pipeline.select.eligible import Tally
from pipeline.select.strata import Codes

Bins = npt.NDArray[np.uint64]
"""Rows of bin, copies of documents, cost, smallest key and largest key, by bin."""

_NONE = np.zeros((0, 5), np.uint64)


@dataclass(frozen=True)
class Summary:
    """What is in the bins of one digit of the places; `+` merges, in any order."""

    bins: Mapping[str, Bins] = field(default_factory=dict)
    totals: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Documents that the sampler admits, and their cost, each counted once."""
    eligible: tuple[int, int] = (0, 0)
    """Documents that the sampler is given, and their tokens."""
    admitted: tuple[int, int] = (0, 0)
    """Those of them that it ever takes."""
    tally: Tally = field(default_factory=Tally)
    """What each rule left, in the first summary."""

    def __add__(self, other: "Summary") -> "Summary":
        bins, totals = dict(self.bins), dict(self.totals)
        for stratum, rows in other.bins.items():
            bins[stratum] = _merged(np.concatenate([bins.get(stratum, _NONE), rows]))
        for stratum, (documents, cost) in other.totals.items():
            had = totals.get(stratum, (0, 0))
            totals[stratum] = (had[0] + documents, had[1] + cost)
        eligible = (self.eligible[0] + other.eligible[0], self.eligible[1] + other.eligible[1])
        admitted = (self.admitted[0] + other.admitted[0], self.admitted[1] + other.admitted[1])
        return Summary(bins, totals, eligible, admitted, self.tally + other.tally)

    def to_json(self) -> dict[str, object]:
        """Plain lists."""
        return {
            "bins": {stratum: rows.tolist() for stratum, rows in self.bins.items()},
            "totals": dict(self.totals),
            "eligible": self.eligible,
            "admitted": self.admitted,
            "tally": self.tally.to_json(),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Summary":
        """What `to_json` gave."""
        bins = {s: np.array(rows, np.uint64).reshape(-1, 5) for s, rows in told["bins"].items()}
        totals = {s: (n, cost) for s, (n, cost) in told["totals"].items()}
        tally = Tally.from_json(told["tally"])
        return cls(bins, totals, (*told["eligible"],), (*told["admitted"],), tally)


def _merged(rows: Bins) -> Bins:
    order = np.argsort(rows[:, 0], kind="stable")
    rows = rows[order]
    starts = _starts(rows[:, 0])
    return np.stack(
        [
            rows[starts, 0],
            np.add.reduceat(rows[:, 1], starts),
            np.add.reduceat(rows[:, 2], starts),
            np.minimum.reduceat(rows[:, 3], starts),
            np.maximum.reduceat(rows[:, 4], starts),
        ],
        axis=1,
    )


def _starts(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.intp]:
    return np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))


def summed(
    grouped: tuple[Codes, Sequence[str]],
    places: tuple[Words, Words],
    cost: npt.NDArray[np.int64],
    depths: Mapping[str, tuple[int, int]],
) -> dict[str, Bins]:
    """The bins of the rows that begin as `depths` (level and prefix by stratum) says.

    Without depths all rows are looked at, by their first digit.
    """
    codes, strata = grouped
    high, low = places
    found: dict[str, list[Bins]] = {}
    for level in {level for level, _ in depths.values()} or {0}:
        inside = _inside(grouped, places, level, depths)
        if not len(inside):
            continue
        combined = (codes[inside] << DIGIT) | digit(high[inside], low[inside], level)
        order = np.argsort(combined, kind="stable")
        bins = combined[order].astype(np.uint64)
        starts = _starts(bins)
        keys = high[inside][order]
        counts = np.diff(np.concatenate((starts, [len(order)]))).astype(np.uint64)
        costs = np.add.reduceat(cost[inside][order], starts).astype(np.uint64)
        lows, highs = np.minimum.reduceat(keys, starts), np.maximum.reduceat(keys, starts)
        rows = np.stack([bins[starts] & np.uint64(0xFFFF), counts, costs, lows, highs], axis=1)
        owners = (bins[starts] >> np.uint64(DIGIT)).astype(np.int64)
        for owner in np.unique(owners):
            found.setdefault(strata[owner], []).append(rows[owners == owner])
    return {stratum: np.concatenate(rows) for stratum, rows in found.items()}


def _inside(
    grouped: tuple[Codes, Sequence[str]],
    places: tuple[Words, Words],
    level: int,
    depths: Mapping[str, tuple[int, int]],
) -> npt.NDArray[np.intp]:
    """The rows whose stratum is looked at on this level, and that begin as it says."""
    codes, strata = grouped
    if not depths:
        return np.arange(len(codes))
    here = [depths.get(stratum, (-1, 0)) for stratum in strata]
    rows = np.flatnonzero(np.array([at == level for at, _ in here])[codes])
    whole = [p << (128 - DIGIT * level) if at == level else 0 for at, p in here]
    half = LEVELS // 2
    words = [(places[0], [w >> 64 for w in whole], min(level, half))]
    words += [(places[1], [w & (2**64 - 1) for w in whole], level - half)]
    for word, begins, digits in words:
        if digits > 0:
            shift = np.uint64(64 - DIGIT * digits)
            wanted = np.array(begins, np.uint64)[codes[rows]] >> shift
            rows = rows[(word[rows] >> shift) == wanted]
    return rows
