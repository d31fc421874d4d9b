"""Summaries: documents and cost by stratum and bin, as integer sums that merge in any order."""

from base64 import b64decode, b64encode
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

Rows = npt.NDArray[np.uint64]
"""The two words of a place and the cost, by row."""

_WORD = 63
"""Bits of a word without its sign."""


@dataclass(frozen=True)
class Summary:
    """What is in the bins of one digit of the places; `+` merges, in any order."""

    bins: Mapping[str, Bins] = field(default_factory=dict)
    rows: Mapping[str, Rows] = field(default_factory=dict)
    """Instead of bins the rows that would be in them, once there are few."""
    totals: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Documents that the sampler admits, and their cost, each counted once."""
    eligible: tuple[int, int] = (0, 0)
    """Documents that the sampler is given, and their tokens."""
    admitted: tuple[int, int] = (0, 0)
    """Those of them that it ever takes."""
    tally: Tally = field(default_factory=Tally)
    """What each rule left, in the first summary."""

    def __add__(self, other: "Summary") -> "Summary":
        bins, totals = _merged(self.bins, other.bins), dict(self.totals)
        for stratum, (documents, cost) in other.totals.items():
            had = totals.get(stratum, (0, 0))
            totals[stratum] = (had[0] + documents, had[1] + cost)
        eligible = (self.eligible[0] + other.eligible[0], self.eligible[1] + other.eligible[1])
        admitted = (self.admitted[0] + other.admitted[0], self.admitted[1] + other.admitted[1])
        rows = dict(self.rows)
        for stratum, more in other.rows.items():
            rows[stratum] = np.concatenate([rows[stratum], more]) if stratum in rows else more
        return Summary(bins, rows, totals, eligible, admitted, self.tally + other.tally)

    def to_json(self) -> dict[str, object]:
        """Plain lists."""
        return {
            "bins": {stratum: rows.tolist() for stratum, rows in self.bins.items()},
            "rows": {s: b64encode(rows.tobytes()).decode() for s, rows in self.rows.items()},
            "totals": dict(self.totals),
            "eligible": self.eligible,
            "admitted": self.admitted,
            "tally": self.tally.to_json(),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Summary":
        """What `to_json` gave."""
        bins = {s: np.array(rows, np.uint64).reshape(-1, 5) for s, rows in told["bins"].items()}
        rows = {
            s: np.frombuffer(b64decode(held), np.uint64).reshape(-1, 3)
            for s, held in told["rows"].items()
        }
        totals = {s: (n, cost) for s, (n, cost) in told["totals"].items()}
        tally = Tally.from_json(told["tally"])
        return cls(bins, rows, totals, (*told["eligible"],), (*told["admitted"],), tally)


def _merged(one: Mapping[str, Bins], other: Mapping[str, Bins]) -> Mapping[str, Bins]:
    """The bins of both; all strata at once, for there may be many with few bins each."""
    if not one or not other:
        return one or other
    strata = {stratum: number for number, stratum in enumerate({**one, **other})}
    pieces = [*one.items(), *other.items()]
    owners = np.repeat([strata[s] for s, _ in pieces], [len(rows) for _, rows in pieces])
    rows = np.concatenate([rows for _, rows in pieces])
    places = (owners << DIGIT) | rows[:, 0].astype(np.int64)
    return _by_stratum(list(strata), places, (rows[:, 1], rows[:, 2], rows[:, 3], rows[:, 4]))


def _by_stratum(
    strata: Sequence[str],
    places: Codes,
    columns: tuple[Words | None, Words, Words, Words],
) -> dict[str, Bins]:
    """Counts (None for one a row), costs, smallest and largest keys by stratum and bin.

    A place is the stratum's number with the bin's 16 bits behind it.
    """
    if not len(places):
        return {}
    order, places = _sorted(places)
    starts = np.flatnonzero(np.concatenate(([True], places[1:] != places[:-1])))
    counts, costs, lows, highs = columns
    rows = np.empty((len(starts), 5), np.uint64)
    rows[:, 0] = places[starts] & 0xFFFF
    if counts is None:
        rows[:, 1] = np.diff(np.concatenate((starts, [len(order)])))
    else:
        rows[:, 1] = np.add.reduceat(counts[order], starts)
    rows[:, 2] = np.add.reduceat(costs[order], starts)
    keys = lows[order]
    rows[:, 3] = np.minimum.reduceat(keys, starts)
    rows[:, 4] = np.maximum.reduceat(keys if highs is lows else highs[order], starts)
    owners = places[starts] >> DIGIT
    begins = np.flatnonzero(np.concatenate(([True], owners[1:] != owners[:-1])))
    ends = [*begins[1:].tolist(), len(owners)]
    found = zip(owners[begins].tolist(), begins.tolist(), ends, strict=True)
    return {strata[owner]: rows[begin:end] for owner, begin, end in found}


def _sorted(places: Codes) -> tuple[npt.NDArray[np.intp], Codes]:
    """In which order the places rise, and them so."""
    rows = len(places).bit_length()
    if int(places.max()).bit_length() + rows > _WORD:
        order = np.argsort(places, kind="stable")
        return order, places[order]
    # Sorting numbers is several times as fast as sorting places of numbers.
    packed = np.sort((places << rows) | np.arange(len(places)))
    return packed & ((1 << rows) - 1), packed >> rows


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
    found: dict[str, Bins] = {}
    for level in {level for level, _ in depths.values()} or {0}:
        inside = _inside(grouped, places, level, depths)
        keys = high[inside]
        bins = (codes[inside] << DIGIT) | digit(keys, low[inside], level)
        costs = cost[inside].astype(np.uint64)
        found |= _by_stratum(strata, bins, (None, costs, keys, keys))
    return found


def gathered_rows(
    grouped: tuple[Codes, Sequence[str]],
    places: tuple[Words, Words],
    cost: npt.NDArray[np.int64],
    depths: Mapping[str, tuple[int, int]],
) -> dict[str, Rows]:
    """By stratum the rows that `summed` would count."""
    codes, strata = grouped
    found: dict[str, list[Rows]] = {}
    for level in {level for level, _ in depths.values()}:
        inside = _inside(grouped, places, level, depths)
        columns = (places[0][inside], places[1][inside], cost[inside].astype(np.uint64))
        owners, rows = codes[inside], np.stack(columns, axis=1)
        for owner in np.unique(owners).tolist():
            found.setdefault(strata[owner], []).append(rows[owners == owner])
    return {stratum: np.concatenate(rows) for stratum, rows in found.items()}


def _inside(
    grouped: tuple[Codes, Sequence[str]],
    places: tuple[Words, Words],
    level: int,
    depths: Mapping[str, tuple[int, int]],
) -> npt.NDArray[np.intp] | slice:
    """The rows whose stratum is looked at on this level, and that begin as it says."""
    codes, strata = grouped
    if not depths:
        return slice(None)
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
