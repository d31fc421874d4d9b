"""64-bit hashes of characters, words and n-grams: where two are equal, so are the texts.

Of a million different words or n-grams two share a hash by chance once in 37 million corpora.
"""

import numpy as np

from pipeline.text.kernels import kernel

SEED = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0xD1342543DE82EF95)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@kernel
def extend(value: np.uint64, item: np.uint64) -> np.uint64:
    """The hash of a sequence with one more item."""
    mixed = (value ^ np.uint64(item)) * _STEP
    return mixed ^ (mixed >> np.uint64(32))


@kernel
def absorb(value: np.uint64, item: np.uint64) -> np.uint64:
    """A quicker `extend`, for small items and a `mix` at the end."""
    return (value ^ np.uint64(item)) * _STEP


@kernel
def mix(value: np.uint64) -> np.uint64:
    """Every bit of the result depends on every bit of the value (Stafford's variant 13)."""
    value = (value ^ (value >> np.uint64(30))) * _FIRST
    value = (value ^ (value >> np.uint64(27))) * _SECOND
    return value ^ (value >> np.uint64(31))
