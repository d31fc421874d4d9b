"""Doubles as bits that order as the numbers do, and the digits of 128-bit places."""

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

DIGIT = 16
LEVELS = 8
"""A place has so many digits: four of its key's bits, four of its tie's."""

_SIGN = np.uint64(1 << 63)


def ordered(values: npt.NDArray[np.float64]) -> Words:
    """The bits of doubles, turned so that they order as the numbers do."""
    bits = (values + 0.0).view(np.uint64)
    # All bits of a negative number are turned, of the others the sign alone.
    turned = (bits.view(np.int64) >> np.int64(63)).view(np.uint64) | _SIGN
    return np.asarray(bits ^ turned, np.uint64)


def restored(bits: Words) -> npt.NDArray[np.float64]:
    """The doubles that `ordered` was given."""
    return np.where(bits & _SIGN, bits ^ _SIGN, ~bits).astype(np.uint64).view(np.float64)


def digit(high: Words, low: Words, level: int) -> npt.NDArray[np.int64]:
    """Each place's 16 bits at the level."""
    word, at = (high, level) if level < LEVELS // 2 else (low, level - LEVELS // 2)
    return ((word >> np.uint64(48 - DIGIT * at)) & np.uint64(0xFFFF)).astype(np.int64)


def place_key(place: str) -> float:
    """The sampler's key of a place, as a cut or `prepare` gives it in 32 hex digits."""
    return float(restored(np.array([int(place, 16) >> 64], np.uint64))[0])
