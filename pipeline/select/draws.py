"""Chance: numbers that depend on a seed, a purpose and a document's id, and on nothing else."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

Floats = npt.NDArray[np.float64]
Draws = npt.NDArray[np.uint64]

_KEY = 32
_FEW = 4096
"""So few are hashed one by one: nothing has to be compiled for them."""


def draws(seed: int, purpose: str, ids: pa.Array) -> Draws:
    """A uniform 64-bit number for each id, from the hash of seed, purpose and id alone."""
    mixed = xxhash.xxh3_64_intdigest(f"{seed}\0{purpose}".encode())
    if len(ids) > _FEW and (words := _words(ids)) is not None:
        from pipeline.text.xxh3 import hash_words

        return np.asarray(hash_words(words, np.uint64(mixed)), np.uint64)
    digest = xxhash.xxh3_64_intdigest
    return np.fromiter(
        (digest(i.as_buffer(), seed=mixed) for i in ids.cast(pa.binary())), np.uint64, len(ids)
    )


def _words(ids: pa.Array) -> Draws | None:
    """The ids' bytes, four words a row, where all have 32; None where they have not."""
    if not pa.types.is_string(ids.type) or ids.null_count:
        return None
    _, offsets, data = ids.buffers()
    ends = np.frombuffer(offsets, np.int32)[ids.offset : ids.offset + len(ids) + 1]
    if (np.diff(ends) != _KEY).any():
        return None
    held = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    return held.view("<u8").reshape(-1, 4)


def uniform(drawn: Draws) -> Floats:
    """Numbers between 0 and 1, neither of them included."""
    # With one bit more the largest draw would be rounded to 1, and its noise infinite.
    return ((drawn >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52


def gumbel_noise(drawn: Draws) -> Floats:
    """Standard Gumbel noise, always finite."""
    return np.asarray(-np.log(-np.log(uniform(drawn))), np.float64)
