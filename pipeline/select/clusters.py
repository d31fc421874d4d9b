"""Of each cluster one row: the best score, then the longer text, then the smaller id."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from pipeline.select.bits import Words

RANKED = ("cluster_high", "cluster_low", "score", "n_bytes", "id_high", "id_low")
"""What `worse` needs of each row, as 64-bit words that order as the values do."""

Rows = npt.NDArray[np.int64]
Dealt = tuple[int, bytes, bytes]
"""A bucket, the addresses of rows that are lost already, and the rows that are to be compared."""

_MIX = np.uint64(0x9E3779B97F4A7C15)
_ROW = 32

_DIGITS = np.full(256, 255, np.uint8)
_DIGITS[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


def words_of(values: pa.Array) -> tuple[Words, Words]:
    """128 bits for each string: those that 32 hex digits stand for, else a hash."""
    values = values.cast(pa.string())
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    if len(values) and not values.null_count and (np.diff(ends) == 32).all():
        digits = _DIGITS[np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]].reshape(-1, 32)
        if (digits < 16).all():
            return _split(((digits[:, ::2] << 4) | digits[:, 1::2]).view(">u8"))
    return _split(np.frombuffer(b"".join(map(_sixteen, values.to_pylist())), ">u8"))


def _split(words: npt.NDArray[np.uint64]) -> tuple[Words, Words]:
    pairs = words.reshape(-1, 2).astype(np.uint64)
    return pairs[:, 0], pairs[:, 1]


def _sixteen(value: str) -> bytes:
    if len(value) == 32 and not value.strip("0123456789abcdef"):
        return bytes.fromhex(value)
    return xxhash.xxh3_128_digest(value.encode())


def worse(columns: dict[str, npt.NDArray[np.uint64]]) -> npt.NDArray[np.intp]:
    """The rows that another one of their cluster stands for."""
    shared = _shared(columns["cluster_low"] ^ columns["cluster_high"])
    mine = {name: columns[name][shared] for name in RANKED}
    high, low = mine["cluster_high"], mine["cluster_low"]
    order = np.lexsort(
        (mine["id_low"], mine["id_high"], ~mine["n_bytes"], ~mine["score"], low, high)
    )
    high, low = high[order], low[order]
    again = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
    return np.sort(shared[order[1:][again]])


def _shared(values: Words) -> npt.NDArray[np.intp]:
    """The rows whose value another row has too: most clusters have one row alone."""
    order = np.argsort(values)
    same = values[order[1:]] == values[order[:-1]]
    beside = np.zeros(len(values), bool)
    beside[order[:-1]] = same
    beside[order[1:]] |= same
    return np.asarray(np.flatnonzero(beside), np.intp)


def deal(columns: dict[str, Words], address: int, buckets: int) -> Iterator[Dealt]:
    """The rows by bucket, so that a cluster is in one; those that a better one is beside, alone.

    address: that of row 0 of the rows' part, as `addressed` makes it.
    """
    lost = np.zeros(len(columns["row"]), bool)
    lost[worse(columns)] = True
    mixed = (columns["cluster_high"] ^ columns["cluster_low"]) * _MIX
    owners = ((mixed >> np.uint64(32)) % np.uint64(buckets)).astype(np.int64)
    table = np.stack([columns[n] for n in ("row", *RANKED)], axis=1)
    table[:, 0] += np.uint64(address)
    order = np.argsort(owners, kind="stable")
    ends = np.searchsorted(owners[order], np.arange(buckets + 1))
    for bucket in np.flatnonzero(np.diff(ends)).tolist():
        mine = order[ends[bucket] : ends[bucket + 1]]
        gone = lost[mine]
        yield bucket, table[mine[gone], 0].tobytes(), table[mine[~gone]].tobytes()


def addressed(part: int, row: int) -> int:
    """A part's number and a row of it in one word."""
    return (part << _ROW) + row


def settle(lost: Sequence[bytes], rows: Sequence[bytes]) -> Iterator[tuple[int, Rows]]:
    """Of all that was dealt to a bucket the rows that are dropped, by part."""
    table = np.frombuffer(b"".join(rows), np.uint64).reshape(-1, 1 + len(RANKED))
    found = worse({name: table[:, column] for column, name in enumerate(RANKED, 1)})
    dropped = np.concatenate([np.frombuffer(b"".join(lost), np.uint64), table[found, 0]])
    dropped.sort()
    parts = (dropped >> np.uint64(_ROW)).astype(np.int64)
    numbers = (dropped & np.uint64((1 << _ROW) - 1)).astype(np.int64)
    for part in np.unique(parts).tolist():
        begin, end = np.searchsorted(parts, [part, part + 1])
        yield part, numbers[begin:end]
