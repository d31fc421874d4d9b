"""Strata: the groups that a budget is divided among."""

import json
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
    codes, most = np.zeros(len(batch), np.int64), 1
    values: list[tuple[Codes, list[object]]] = []
    for name in columns:
        places, known = _encoded(batch.column(name))
        values.append((places, known))
        codes = codes * len(known) + places
        most *= len(known)
        if most > _FEW:
            # Numbered column by column they never outgrow a word.
            rows, codes = _numbered(codes, most)
            most = len(rows)
    rows, codes = _numbered(codes, most)
    found = [[known[at] for at in places[rows].tolist()] for places, known in values]
    keys = zip(*found, strict=True) if found else [()] * len(rows)
    return codes, [json.dumps(key, ensure_ascii=False) for key in keys]


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
    """A row of each code that is there, and each row's place among these."""
    if most > _FEW:
        _, rows, places = np.unique(codes, return_index=True, return_inverse=True)
        return rows, places
    rows = np.full(most, -1)
    rows[codes] = np.arange(len(codes))
    there = np.flatnonzero(rows >= 0)
    places = np.zeros(most, np.int64)
    places[there] = np.arange(len(there))
    return rows[there], places[codes]


def stratum_keys(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.Array:
    """The stratum of each row: the JSON list of its values of the columns."""
    codes, keys = strata_of(batch, columns)
    return pa.array(keys, pa.string()).take(pa.array(codes))


def stratum_label(stratum: str) -> str:
    """A stratum's key as people read it: its values, with a dot between them."""
    values = json.loads(stratum)
    return " \u00b7 ".join("null" if value is None else str(value) for value in values) or "all"
