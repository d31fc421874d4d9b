"""XXH3 of many keys of 32 bytes at once, as the xxhash library has it for one."""

import numpy as np

from pipeline.text.kernels import kernel

Words = np.ndarray[tuple[int, int], np.dtype[np.uint64]]

_LENGTH = np.uint64(32)
_PRIME = np.uint64(0x9E3779B185EBCA87)
_AVALANCHE = np.uint64(0x165667919E3779F9)
_SECRET = (
    np.uint64(0xBE4BA423396CFEB8),
    np.uint64(0x1CAD21F72C81017C),
    np.uint64(0xDB979083E96DD4DE),
    np.uint64(0x1F67B3B7A4A44072),
)
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@kernel
def _fold(left: np.uint64, right: np.uint64) -> np.uint64:
    """The product's 128 bits, the upper half over the lower."""
    a, b = left >> _HALF, left & _LOW
    c, d = right >> _HALF, right & _LOW
    low = b * d
    middle = a * d + (low >> _HALF)
    other = b * c + (middle & _LOW)
    high = a * c + (middle >> _HALF) + (other >> _HALF)
    return high ^ (left * right)


@kernel
def hash_words(words: Words, seed: np.uint64) -> np.ndarray:
    """XXH3's 64 bits of each row of four little-endian words."""
    found = np.empty(len(words), np.uint64)
    for row in range(len(words)):
        total = _LENGTH * _PRIME
        total += _fold(words[row, 0] ^ (_SECRET[0] + seed), words[row, 1] ^ (_SECRET[1] - seed))
        total += _fold(words[row, 2] ^ (_SECRET[2] + seed), words[row, 3] ^ (_SECRET[3] - seed))
        total = (total ^ (total >> np.uint64(37))) * _AVALANCHE
        found[row] = total ^ (total >> _HALF)
    return found
