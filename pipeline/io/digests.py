"""Digests of Arrow values: equal values have equal digests, however they are cut in batches."""

import hashlib
import json
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash


class LogicalDigest:
    """The running 128-bit digest (XXH3) of a table's columns, names and types included."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._columns = [_ColumnDigest() for _ in schema]
        self._rows = 0

    def update(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Take in more rows."""
        self._rows += batch.num_rows
        for digest, column in zip(self._columns, batch.columns, strict=True):
            chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
            for chunk in chunks:
                digest.update(chunk)

    def hexdigest(self) -> str:
        """32 hex digits."""
        total = xxhash.xxh3_128(str(self._rows).encode())
        for field, digest in zip(self._schema, self._columns, strict=True):
            total.update(f"{field.name}\0{field.type}\0{digest.hexdigest()}\n".encode())
        return total.hexdigest()


class _ColumnDigest:
    """Three streams, so that the cut in batches leaves no trace: validity, lengths, values."""

    def __init__(self) -> None:
        self._valid = xxhash.xxh3_128()
        self._lengths = xxhash.xxh3_128()
        self._values = xxhash.xxh3_128()
        self._child: _ColumnDigest | None = None

    def update(self, array: pa.Array) -> None:
        self._valid.update(_bytes(array.is_valid().to_numpy(zero_copy_only=False).view(np.uint8)))
        kind = array.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            self._update_list(array)
        elif pa.types.is_struct(kind):
            self._child = self._child or _ColumnDigest()
            for index in range(kind.num_fields):
                self._child.update(array.field(index))
        elif pa.types.is_string(kind) or pa.types.is_binary(kind):
            self._update_bytes(array)
        else:
            self._values.update(_bytes(_numbers(array)))

    def _update_bytes(self, array: pa.Array) -> None:
        filled = array.cast(pa.binary()).fill_null(b"")
        offsets = np.frombuffer(filled.buffers()[1], np.int32)[
            filled.offset : filled.offset + len(filled) + 1
        ]
        self._lengths.update(_bytes(np.diff(offsets).astype(np.int64)))
        if len(filled) and filled.buffers()[2] is not None:
            self._values.update(memoryview(filled.buffers()[2])[offsets[0] : offsets[-1]])

    def _update_list(self, array: pa.Array) -> None:
        lengths = pc.list_value_length(array).fill_null(0)
        self._lengths.update(_bytes(np.asarray(lengths, np.int64)))
        self._child = self._child or _ColumnDigest()
        self._child.update(array.flatten())

    def hexdigest(self) -> str:
        parts = [self._valid.hexdigest(), self._lengths.hexdigest(), self._values.hexdigest()]
        if self._child is not None:
            parts.append(self._child.hexdigest())
        return "".join(parts)


def _bytes(values: np.ndarray) -> memoryview:
    return memoryview(np.ascontiguousarray(values).tobytes())


def _numbers(array: pa.Array) -> np.ndarray:
    if pa.types.is_null(array.type):
        return np.zeros(0, np.uint8)
    if pa.types.is_boolean(array.type):
        return np.asarray(array.fill_null(False).to_numpy(zero_copy_only=False), np.uint8)
    if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        array = array.cast(pa.int64() if array.type.bit_width == 64 else pa.int32())
    filled = array.fill_null(0)
    return np.ascontiguousarray(filled.to_numpy(zero_copy_only=False))


def text_key(*parts: str) -> str:
    """32 hex digits (BLAKE2b) of strings, each with its length, so that no two lists meet."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces; a value that JSON lacks is an error."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def combined(keys: Iterable[str]) -> str:
    """One key of many, in order."""
    return text_key(*keys)
