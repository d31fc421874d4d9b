"""What a stratum holds: mean, deviation and ranks of a value, from sums that merge in any order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import isqrt

import numpy as np
import numpy.typing as npt

from pipeline.select.bits import restored

RESOLUTION = 1000
"""Ranks are exact where a stratum has at most so many documents, else to one part in so many."""

_STEP = 8
_MANTISSA = 31

Bins = npt.NDArray[np.uint64]
"""Rows of smallest, largest and count, sorted; of values' bits turned so that they order."""
Intervals = npt.NDArray[np.uint64]
"""Rows of smallest and largest: bins that are to be looked into."""


@dataclass(frozen=True)
class Moments:
    """Exact sums of values rounded to 31 bits, and of their squares, by exponent."""

    sums: Mapping[int, tuple[int, int, int, int]] = field(default_factory=dict)
    """Count, sum, and the squares' sum in two halves."""

    def __add__(self, other: "Moments") -> "Moments":
        merged = dict(self.sums)
        for exponent, sums in other.sums.items():
            had = merged.get(exponent, (0, 0, 0, 0))
            merged[exponent] = (
                had[0] + sums[0],
                had[1] + sums[1],
                had[2] + sums[2],
                had[3] + sums[3],
            )
        return Moments(merged)

    @classmethod
    def of(cls, values: npt.NDArray[np.float64]) -> "Moments":
        """The sums of these."""
        mantissas, exponents = np.frexp(values)
        whole = np.rint(mantissas * 2.0**_MANTISSA).astype(np.int64)
        squares = whole * whole
        found = {}
        for exponent in np.unique(exponents):
            mine = exponents == exponent
            low = squares[mine] & np.int64(2**_MANTISSA - 1)
            high = squares[mine] >> np.int64(_MANTISSA)
            total = int(whole[mine].sum())
            found[int(exponent)] = (int(mine.sum()), total, int(high.sum()), int(low.sum()))
        return cls(found)

    @property
    def count(self) -> int:
        """How many values."""
        return sum(sums[0] for sums in self.sums.values())

    def mean(self) -> Fraction:
        """Exact, of the rounded values."""
        total = sum(
            (Fraction(s[1]) * Fraction(2) ** (e - _MANTISSA) for e, s in self.sums.items()),
            Fraction(0),
        )
        return total / max(1, self.count)

    def deviation(self) -> float:
        """The root of the mean square difference from the mean."""
        total = sum(
            (
                Fraction((s[2] << _MANTISSA) + s[3]) * Fraction(4) ** (e - _MANTISSA)
                for e, s in self.sums.items()
            ),
            Fraction(0),
        )
        variance = total / max(1, self.count) - self.mean() ** 2
        # The root of a fraction as an integer's: a double of the variance could be 0 or infinite.
        scaled = isqrt((variance.numerator << 256) // variance.denominator)
        return float(Fraction(scaled, 1 << 128))


def first_bins(bits: npt.NDArray[np.uint64]) -> Bins:
    """Bins by the upper 16 bits: sign, exponent and four digits."""
    return _binned(bits, bits >> np.uint64(48))


def inner_bins(bits: npt.NDArray[np.uint64], intervals: Intervals) -> Bins:
    """Each interval's values in up to 256 bins."""
    lowest, highest = intervals[:, 0], intervals[:, 1]
    place = np.maximum(np.searchsorted(lowest, bits, "right").astype(np.int64) - 1, 0)
    inside = (bits >= lowest[place]) & (bits <= highest[place])
    bits, place = bits[inside], place[inside]
    shifts = np.array(
        [max(0, (int(high) - int(low)).bit_length() - _STEP) for low, high in intervals], np.uint64
    )
    steps = (bits - lowest[place]) >> shifts[place]
    return _binned(bits, (place.astype(np.uint64) << np.uint64(_STEP)) | steps)


def _binned(bits: npt.NDArray[np.uint64], bins: npt.NDArray[np.uint64]) -> Bins:
    if not len(bits):
        return np.zeros((0, 3), np.uint64)
    order = np.argsort(bins, kind="stable")
    bins, bits = bins[order], bits[order]
    starts = np.flatnonzero(np.concatenate(([True], bins[1:] != bins[:-1])))
    counts = np.diff(np.concatenate((starts, [len(bins)])))
    lows, highs = np.minimum.reduceat(bits, starts), np.maximum.reduceat(bits, starts)
    return np.stack([lows, highs, counts.astype(np.uint64)], axis=1)


def merged_bins(pieces: Sequence[Bins], intervals: Intervals | None) -> Bins:
    """The bins of several batches as one; `intervals` None for those of `first_bins`."""
    rows = np.concatenate(pieces) if pieces else np.zeros((0, 3), np.uint64)
    if not len(rows):
        return rows
    if intervals is None:
        keys = rows[:, 0] >> np.uint64(48)
    else:
        place = np.searchsorted(intervals[:, 0], rows[:, 0], "right") - 1
        shifts = [max(0, (int(h) - int(w)).bit_length() - _STEP) for w, h in intervals]
        steps = (rows[:, 0] - intervals[place, 0]) >> np.array(shifts, np.uint64)[place]
        keys = (place.astype(np.uint64) << np.uint64(_STEP)) | steps
    order = np.argsort(keys, kind="stable")
    rows, keys = rows[order], keys[order]
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return np.stack(
        [
            np.minimum.reduceat(rows[:, 0], starts),
            np.maximum.reduceat(rows[:, 1], starts),
            np.add.reduceat(rows[:, 2], starts),
        ],
        axis=1,
    )


def to_refine(bins: Bins) -> Intervals:
    """The bins that hold more values than the resolution allows, and not all the same one."""
    most = int(bins[:, 2].sum()) // RESOLUTION
    heavy = (bins[:, 2] > max(1, most)) & (bins[:, 0] < bins[:, 1])
    return bins[heavy, :2]


def refined(bins: Bins, inner: Bins) -> Bins:
    """The bins with those that were looked into replaced by what was found in them."""
    looked = to_refine(bins)[:, 0]
    kept = bins[~np.isin(bins[:, 0], looked)]
    rows = np.concatenate([kept, inner])
    return np.asarray(rows[np.argsort(rows[:, 0], kind="stable")], np.uint64)


@dataclass(frozen=True)
class Pool:
    """The values of one stratum."""

    moments: Moments
    bins: Bins = field(default_factory=lambda: np.zeros((0, 3), np.uint64))

    @property
    def mean(self) -> float:
        """Their mean."""
        return float(self.moments.mean())

    @property
    def deviation(self) -> float:
        """Their standard deviation, as of a whole population."""
        return self.moments.deviation()

    def table(self) -> dict[str, list[float]]:
        """Smallest and largest value of each bin and how many values are in it, for `ranks`.

        Neighbouring bins are one as long as they hold no more than the resolution allows.
        """
        most = max(1, int(self.bins[:, 2].sum()) // RESOLUTION)
        rows: list[list[int]] = []
        for low, high, count in self.bins.tolist():
            if rows and rows[-1][2] + count <= most:
                rows[-1] = [rows[-1][0], high, rows[-1][2] + count]
            else:
                rows.append([low, high, count])
        table = np.array(rows, np.uint64).reshape(-1, 3)
        return {
            "from": restored(table[:, 0]).tolist(),
            "to": restored(table[:, 1]).tolist(),
            "documents": table[:, 2].astype(np.float64).tolist(),
        }


def ranks(
    values: npt.NDArray[np.float64], table: Mapping[str, Sequence[float]]
) -> npt.NDArray[np.float64]:
    """The share of the pool below each value, and half of the share that equals it."""
    highest, lowest = np.array(table["to"]), np.array(table["from"])
    counts = np.array(table["documents"])
    if not len(counts):
        return np.full(len(values), 0.5)
    below = np.concatenate(([0.0], np.cumsum(counts)))
    place = np.searchsorted(highest, values, "left")
    inside = np.minimum(place, len(counts) - 1)
    equal = (place < len(counts)) & (values >= lowest[inside])
    found = (below[place] + np.where(equal, counts[inside] / 2, 0.0)) / below[-1]
    return np.asarray(found, np.float64)


def quantile(table: Mapping[str, Sequence[float]], share: float) -> float | None:
    """The smallest value that at least this share of the pool does not exceed."""
    if not table["documents"]:
        return None
    if share <= 0:
        return float(table["from"][0])
    reached = np.cumsum(table["documents"])
    place = int(np.searchsorted(reached, share * reached[-1], "left"))
    return float(table["to"][min(place, len(reached) - 1)])
