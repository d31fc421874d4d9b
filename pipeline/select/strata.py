"""Strata: the groups that a budget is divided among."""

import json
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Codes = npt.NDArray[np.int64]

_FEW = 1 << 16
"""So many codes are counted in a table of all of them."""


def strata_of(batch: pa.RecordBatch, columns: Sequence[str]) -> tuple[Codes, list[str]]:
    """Each row's number in the list of the strata that are there."""
    codes = np.zeros(len(batch), np.int64)
    values: list[list[object]] = []
    for name in columns:
        places, known = _encoded(batch.column(name))
        values.append(known)
        codes = codes * max(1, len(known)) + places
    there, codes = _numbered(codes, math.prod(len(known) for known in values))
    keys = []
    for code in there.tolist():
        found = []
        for known in reversed(values):
            code, at = divmod(code, max(1, len(known)))
            found.append(known[at])
        keys.append(json.dumps(found[::-1], ensure_ascii=False))
    return codes, keys


def _encoded(column: pa.Array) -> tuple[Codes, list[object]]:
    """Each row's place among the values, null being one of them."""
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column, null_encoding="encode")
    known = column.dictionary.to_pylist()
    places = column.indices
    if places.null_count:
        places = places.fill_null(len(known))
        known.append(None)
    return np.asarray(places, np.int64), known


def _numbered(codes: Codes, most: int) -> tuple[Codes, Codes]:
    """The codes that are there, and each row's place among them."""
    if most > _FEW:
        there, places = np.unique(codes, return_inverse=True)
        return there, places
    there = np.flatnonzero(np.bincount(codes, minlength=most))
    places = np.zeros(most, np.int64)
    places[there] = np.arange(len(there))
    return there, places[codes]


def stratum_keys(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.Array:
    """The stratum of each row: the JSON list of its values of the columns."""
    codes, keys = strata_of(batch, columns)
    return pa.array(keys, pa.string()).take(pa.array(codes))


def stratum_label(stratum: str) -> str:
    """A stratum's key as people read it: its values, with a dot between them."""
    values = json.loads(stratum)
    return " \u00b7 ".join("null" if value is None else str(value) for value in values) or "all"
