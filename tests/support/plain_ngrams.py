"""Hashed n-grams and importance weights in plain Python, for comparison."""

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence

from support.plain_words import words

_ALL = 2**64 - 1
_SEED = 0x9E3779B97F4A7C15


def _mix(value: int) -> int:
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _ALL
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _ALL
    return value ^ value >> 31


def word_hash(word: str) -> int:
    """The hash of a word."""
    value = _SEED
    for character in word:
        value = (value ^ ord(character)) * 0xD1342543DE82EF95 & _ALL
    return _mix(value)


def bucket(gram: Sequence[str], buckets: int) -> int:
    """The bucket of an n-gram."""
    value = _SEED
    for word in gram:
        value = (value ^ word_hash(word)) * 0xD1342543DE82EF95 & _ALL
        value ^= value >> 32
    return (_mix(value) >> 32) * buckets >> 32


def folded_words(text: str) -> list[str]:
    """The words that are counted."""
    return words(unicodedata.normalize("NFKC", text).casefold())


def bag(text: str, ngram: int, buckets: int) -> Counter[int]:
    """How many n-grams fall in each bucket."""
    found = folded_words(text)
    return Counter(
        bucket(found[at : at + length], buckets)
        for length in range(1, ngram + 1)
        for at in range(len(found) - length + 1)
    )


def log_ratios(
    target: Sequence[str], raw: Sequence[str], ngram: int, buckets: int, smoothing: float
) -> list[float]:
    """ln of each bucket's share in the target over that in the raw texts."""
    sums = [sum((bag(t, ngram, buckets) for t in texts), Counter()) for texts in (target, raw)]
    shares = [
        [
            (counts[number] + smoothing) / (counts.total() + smoothing * buckets)
            for number in range(buckets)
        ]
        for counts in sums
    ]
    return [math.log(one / other) for one, other in zip(*shares, strict=True)]


def log_weight(text: str, ratios: Sequence[float], ngram: int) -> float | None:
    """The importance weight of a text; None of one without words."""
    counts = bag(text, ngram, len(ratios))
    return math.fsum(n * ratios[number] for number, n in counts.items()) if counts else None
