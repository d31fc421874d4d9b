"""Measures of how a text is written: characters, lines, words, sentences, repetition."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from raters.lexicon import DOMAIN_WORDS, KINDS

MARKS = tuple(".,;:!?'\"()[]{}<>=/\\_-*#@$%&|+~^`\u2026\u00b7\u2022\u201c\u201d\u2019\u2013\u2014")
"""Signs whose rates are measured one by one."""
_OTHERS = 14
_RUN = 8
_MIX = np.uint64(0x9E3779B97F4A7C15)
DOMAIN_SHARES = slice(len(MARKS) + _OTHERS, len(MARKS) + _OTHERS + len(DOMAIN_WORDS))
"""Where the shares of each domain's words stand."""
_KINDS_END = DOMAIN_SHARES.stop + len(KINDS)
DOMAIN_COUNTS = slice(_KINDS_END, _KINDS_END + len(DOMAIN_WORDS))
"""Where the numbers of each domain's distinct words stand."""

_LISTS: dict[str, list[int]] = {}
for _place, _words in enumerate((*DOMAIN_WORDS.values(), *KINDS.values())):
    for _word in dict.fromkeys(_words.split()):
        _LISTS.setdefault(_word, []).append(_place)
_SENTENCE_END = re.compile("[.!?]+[\"'\u201d\u2019)\\]]*\\s")
_WORD = re.compile("[^\\W\\d_]+(?:['\u2019-][^\\W\\d_]+)*")
_TERMINAL = (".", "!", "?", '"', "\u201d", ":", ";")
_BULLETS = ("-", "*", "\u2022", "\u00b7", "#", "+", ">")


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _root(part: float, whole: float) -> float:
    return float(np.sqrt(part / whole)) if whole else 0.0


def _moments(values: Sequence[int]) -> list[float]:
    """Mean, deviation and maximum, as logarithms."""
    if not values:
        return [0.0, 0.0, 0.0]
    array = np.asarray(values, np.float64)
    return [float(np.log1p(x)) for x in (array.mean(), array.std(), array.max())]


def _distinct_share(codes: npt.NDArray[np.uint32]) -> float:
    """The share of runs of eight characters that are there for the first time."""
    n = len(codes) - _RUN + 1
    if n < 1:
        return 1.0
    hashes = np.zeros(n, np.uint64)
    for i in range(_RUN):
        hashes = hashes * _MIX + codes[i : i + n]
    return len(np.unique(hashes)) / n


def of_characters(text: str) -> list[float]:
    """Rates of signs and kinds of characters, and how often runs of them come again."""
    size = len(text)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    counts = np.bincount(codes[codes < 0x80], minlength=0x80)
    upper, lower = int(counts[65:91].sum()), int(counts[97:123].sum())
    measures = [
        *(_root(text.count(mark), size) for mark in MARKS),
        _ratio(int(counts[48:58].sum()), size),
        _ratio(upper, upper + lower),
        _ratio(lower, size),
        _ratio(int(counts[32]), size),
        _ratio(int(counts[9]), size),
        _root(int(counts[10]), size),
        *(_ratio(int(np.count_nonzero(codes >= edge)), size) for edge in (0x80, 0x250, 0x2E80)),
        _ratio(text.count("\ufffd"), size),
        _distinct_share(codes),
        _distinct_share(codes[size // 2 :]),
        float(np.log1p(size)),
        float(size > 2000),
    ]
    assert len(measures) == DOMAIN_SHARES.start
    return measures


def of_lines(text: str) -> list[float]:
    """Lengths of lines, how they begin and end, and how many come again."""
    pieces = text.splitlines()
    lines = [line for piece in pieces if (line := piece.strip())]
    n = len(lines)
    lengths = [len(line) for line in lines]
    characters = sum(lengths)
    ended = [len(line) for line in lines if line.endswith(_TERMINAL)]
    short = [length for length in lengths if length < 30]
    return [
        *_moments(lengths),
        float(np.log1p(n)),
        _ratio(len(ended), n),
        _ratio(sum(ended), characters),
        _ratio(len(short), n),
        _ratio(sum(short), characters),
        _ratio(sum(line.startswith(_BULLETS) for line in lines), n),
        _ratio(sum(line[0].isdigit() for line in lines), n),
        _ratio(sum(line[0].islower() for line in lines), n),
        _ratio(sum(piece.startswith(("  ", "\t")) for piece in pieces), len(pieces)),
        _ratio(n - len(set(lines)), n),
        _ratio(text.count("\n\n"), n),
        float(text[:1].islower()),
        float(text.rstrip().endswith(_TERMINAL[:5])),
    ]


def _of_lists(counts: Counter[str], n: int) -> list[float]:
    """Shares of words in each list, and how many distinct words of each domain there are."""
    shares = [0] * (len(DOMAIN_WORDS) + len(KINDS))
    distinct = [0] * len(DOMAIN_WORDS)
    for word, times in counts.items():
        for place in _LISTS.get(word, ()):
            shares[place] += times
            if place < len(distinct):
                distinct[place] += 1
    return [*(_root(share, n) for share in shares), *(float(np.log1p(x)) for x in distinct)]


def of_words(text: str) -> list[float]:
    """Lengths, variety, capitals and repetition of words, and their shares in the lists."""
    found = _WORD.findall(text)
    n = len(found)
    lower = [word.lower() for word in found]
    counts = Counter(lower)
    lengths = [len(word) for word in found]
    pairs = len(set(pairwise(lower)))
    triples = len(set(zip(lower, lower[1:], lower[2:], strict=False)))
    capital = sum(word[0].isupper() for word in found)
    upper = sum(word.isupper() for word in found if len(word) > 1)
    plain = sum(word[1:].islower() or len(word) == 1 for word in found)
    return [
        *_of_lists(counts, n),
        *_moments(lengths),
        float(np.log1p(n)),
        _ratio(len(counts), n),
        _ratio(len(counts), float(np.sqrt(n))),
        _ratio(sum(times == 1 for times in counts.values()), len(counts)),
        _ratio(max(counts.values(), default=0), n),
        _ratio(max(n - 1, 0) - pairs, n),
        _ratio(max(n - 2, 0) - triples, n),
        *(_ratio(sum(length > edge for length in lengths), n) for edge in (1, 6, 9)),
        _ratio(upper, n),
        _ratio(capital, n),
        _ratio(n - upper - plain, n),
        _ratio(n, len(text.split())),
    ]


def of_sentences(text: str) -> list[float]:
    """Lengths of sentences in words, and how varied their beginnings are."""
    sentences = [words for piece in _SENTENCE_END.split(text) if (words := piece.split())]
    n = len(sentences)
    firsts = [words[0] for words in sentences]
    lengths = [len(words) for words in sentences]
    spread = float(np.std(lengths)) / float(np.mean(lengths)) if n else 0.0
    return [
        *_moments(lengths),
        float(np.log1p(n)),
        _ratio(len(set(firsts)), n),
        _ratio(sum(first[0].isupper() for first in firsts), n),
        _ratio(sum(5 <= length <= 40 for length in lengths), n),
        spread,
    ]


def measure_style(view: str) -> npt.NDArray[np.float32]:
    """All measures of a view, always as many and in the same order."""
    measures = of_characters(view) + of_words(view) + of_lines(view) + of_sentences(view)
    return np.array(measures, np.float32)
