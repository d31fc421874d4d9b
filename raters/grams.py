"""Hashed n-grams of a text: words, pairs of words, and pieces of words."""

import re
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import xxhash

BITS = 17
"""An n-gram falls in one of 2**BITS buckets."""
PIECES = (3, 4, 5)
"""Lengths in characters of the pieces of a word; its ends count as characters."""
LONGEST = 40
"""A word is cut after so many characters."""

Buckets = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float32]

_TOKEN = re.compile(r"\w+|[^\w\s]")
_DIGIT = re.compile(r"\d")
_MIX = np.uint64(0x9E3779B97F4A7C15)


def tokens_of(text: str) -> list[str]:
    """Words and single signs, in lower case, every digit as 0."""
    return [token[:LONGEST] for token in _TOKEN.findall(_DIGIT.sub("0", text.lower()))]


@lru_cache(maxsize=50_000)
def _hashes(token: str) -> npt.NDArray[np.uint64]:
    """The token's own hash, then those of its pieces."""
    framed = f"<{token}>"
    pieces = [framed[i : i + n] for n in PIECES for i in range(len(framed) - n + 1)]
    encoded = (piece.encode("utf-8", "surrogatepass") for piece in (token, *pieces))
    return np.array([xxhash.xxh64_intdigest(piece) for piece in encoded], np.uint64)


def count_grams(text: str) -> tuple[Buckets, Floats]:
    """The buckets that a text's n-grams fall in, ascending, and 1 + ln of how many fall in each."""
    each = [_hashes(token) for token in tokens_of(text)]
    if not each:
        return np.zeros(0, np.uint32), np.zeros(0, np.float32)
    whole = np.array([hashes[0] for hashes in each], np.uint64)
    pairs = ((whole[:-1] * _MIX) ^ whole[1:]) * _MIX
    every = np.concatenate([*each, pairs]) >> np.uint64(64 - BITS)
    buckets, counts = np.unique(every, return_counts=True)
    return buckets.astype(np.uint32), (1 + np.log(counts)).astype(np.float32)
