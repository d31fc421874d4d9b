"""Of each cluster one row: the best score, then the longer text, then the smaller id."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from pipeline.select.bits import Words

RANKED = ("cluster_high", "cluster_low", "score", "n_bytes", "id_high", "id_low")
"""What `worse` needs of each row, as 64-bit words that order as the values do."""


_DIGITS = np.full(256, 255, np.uint8)
_DIGITS[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


def words_of(values: pa.Array) -> tuple[Words, Words]:
    """128 bits for each string: those that 32 hex digits stand for, else a hash."""
    held = values.to_numpy(zero_copy_only=False).astype(object)
    lengths = pc.binary_length(values)
    if len(values) and pc.all(pc.equal(lengths, 32)).as_py():
        digits = _DIGITS[np.frombuffer("".join(held).encode(), np.uint8)].reshape(-1, 32)
        if (digits < 16).all():
            data = ((digits[:, ::2] << 4) | digits[:, 1::2]).tobytes()
            return _split(np.frombuffer(data, ">u8"))
    return _split(np.frombuffer(b"".join(_sixteen(value) for value in held), ">u8"))


def _split(words: npt.NDArray[np.uint64]) -> tuple[Words, Words]:
    pairs = words.reshape(-1, 2).astype(np.uint64)
    return pairs[:, 0], pairs[:, 1]


def _sixteen(value: str) -> bytes:
    if len(value) == 32 and not value.strip("0123456789abcdef"):
        return bytes.fromhex(value)
    return xxhash.xxh3_128_digest(value.encode())


def worse(columns: dict[str, npt.NDArray[np.uint64]]) -> npt.NDArray[np.intp]:
    """The rows that another one of their cluster stands for."""
    high, low = columns["cluster_high"], columns["cluster_low"]
    order = np.lexsort(
        (
            columns["id_low"],
            columns["id_high"],
            ~columns["n_bytes"],
            ~columns["score"],
            low,
            high,
        )
    )
    high, low = high[order], low[order]
    again = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
    return np.sort(order[1:][again])
