"""Margins: the documents nearest to a stratum's cut, on either side of it."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.select.bins import Plan
from pipeline.select.eligible import Integers
from pipeline.select.plan import Selection

EACH = 2
"""So many documents are kept on either side."""

Near = tuple[int, float, str, int, int]
"""Place, score, id, and the part and row where it is."""


@dataclass(frozen=True)
class Margins:
    """By stratum what is just taken and what is just not; `+` merges, in any order."""

    taken: Mapping[str, tuple[Near, ...]] = field(default_factory=dict)
    left: Mapping[str, tuple[Near, ...]] = field(default_factory=dict)

    def __add__(self, other: "Margins") -> "Margins":
        taken, left = dict(self.taken), dict(self.left)
        for stratum, rows in other.taken.items():
            taken[stratum] = tuple(heapq.nsmallest(EACH, (*taken.get(stratum, ()), *rows)))
        for stratum, rows in other.left.items():
            left[stratum] = tuple(heapq.nlargest(EACH, (*left.get(stratum, ()), *rows)))
        return Margins(taken, left)

    def to_json(self) -> dict[str, object]:
        """Plain lists."""
        return {"taken": dict(self.taken), "left": dict(self.left)}

    @classmethod
    def from_json(cls, told: Mapping[str, Mapping[str, list[Any]]]) -> "Margins":
        """What `to_json` gave."""
        sides = [{s: tuple((*r,) for r in rows) for s, rows in told[n].items()} for n in told]
        return cls(**dict(zip(told, sides, strict=True)))


def find_margins(
    selection: Selection, plan: Plan, batch: pa.RecordBatch, dropped: Integers
) -> Margins:
    """Those of a batch, whose schema's metadata say in which part and at which row it begins."""
    where = batch.schema.metadata or {}
    part, start = int(where.get(b"part", 0)), int(where.get(b"start", 0))
    rows = selection.prepare(batch)[0].without(dropped)
    if not len(rows):
        return Margins()
    keys, ties, admitted = selection.places(rows)
    high, low = keys[0], ties
    sides: tuple[dict[str, tuple[Near, ...]], ...] = ({}, {})
    cuts = {cut.stratum: cut.cut for cut in plan.strata if cut.cut != "none"}
    for code in np.unique(rows.codes).tolist():
        stratum = rows.strata[code]
        if stratum not in cuts:
            continue
        mine = np.flatnonzero((rows.codes == code) & admitted[0])
        order = mine[np.lexsort((low[mine], high[mine]))]
        place = int(cuts[stratum], 16)
        top, bottom = np.uint64(place >> 64), np.uint64(place & (2**64 - 1))
        above = (high[order] > top) | ((high[order] == top) & (low[order] >= bottom))
        at = int(np.argmax(above)) if above.any() else len(order)
        near = (order[at : at + EACH], order[max(0, at - EACH) : at])
        for side, found in zip(sides, near, strict=True):
            side[stratum] = tuple(
                (
                    (int(high[row]) << 64) | int(low[row]),
                    float(rows.scores[row]),
                    str(rows.ids[row].as_py()),
                    part,
                    start + int(rows.rows[row]),
                )
                for row in found.tolist()
            )
    return Margins(*sides)
