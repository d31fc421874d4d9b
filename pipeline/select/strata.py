"""Strata: the groups that a budget is divided among."""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Codes = npt.NDArray[np.int64]


def strata_of(batch: pa.RecordBatch, columns: Sequence[str]) -> tuple[Codes, list[str]]:
    """Each row's number in the list of the strata that are there."""
    codes = np.zeros(len(batch), np.int64)
    values: list[list[object]] = []
    for name in columns:
        encoded = pc.dictionary_encode(batch.column(name), null_encoding="encode")
        known = encoded.dictionary.to_pylist()
        values.append(known)
        codes = codes * max(1, len(known)) + np.asarray(encoded.indices, np.int64)
    there, codes = np.unique(codes, return_inverse=True)
    keys = []
    for code in there.tolist():
        found = []
        for known in reversed(values):
            code, at = divmod(code, max(1, len(known)))
            found.append(known[at])
        keys.append(json.dumps(found[::-1], ensure_ascii=False))
    return codes, keys


def stratum_keys(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.Array:
    """The stratum of each row: the JSON list of its values of the columns."""
    codes, keys = strata_of(batch, columns)
    return pa.array(keys, pa.string()).take(pa.array(codes))


def stratum_label(stratum: str) -> str:
    """A stratum's key as people read it: its values, with a dot between them."""
    values = json.loads(stratum)
    return " \u00b7 ".join("null" if value is None else str(value) for value in values) or "all"
