"""Words: UAX 29 segments that hold a letter or digit; Han, kana and Thai count by character."""

import numpy as np
import numpy.typing as npt

from pipeline.text.characters import (
    ALETTER,
    ALONE,
    CLASS,
    CR,
    DOUBLE_QUOTE,
    EXTEND,
    EXTENDNUMLET,
    FORMAT,
    HEBREW,
    KATAKANA,
    LF,
    MARK,
    MIDLETTER,
    MIDNUM,
    MIDNUMLET,
    NUMERIC,
    PICTURE,
    REGIONAL,
    SINGLE_QUOTE,
    WORD,
    WSEGSPACE,
    ZWJ,
)
from pipeline.text.hashing import SEED, absorb, mix
from pipeline.text.kernels import Int, kernel

Numbers = npt.NDArray[np.uint32]
Places = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def _sets(*pairs: tuple[int, tuple[int, ...]]) -> npt.NDArray[np.int64]:
    """By the class on the left, the classes on the right as bits."""
    found = np.zeros(32, np.int64)
    for left, rights in pairs:
        found[left] = sum(1 << right for right in rights)
    return found


_LETTERS = (ALETTER, HEBREW)
_MIDDLE = (MIDLETTER, MIDNUMLET, SINGLE_QUOTE)
# WB3d, WB5, WB8 to WB10, WB13 to WB13b: what is joined whatever comes after.
JOINED = _sets(
    (ALETTER, (*_LETTERS, NUMERIC, EXTENDNUMLET)),
    (HEBREW, (*_LETTERS, NUMERIC, EXTENDNUMLET)),
    (NUMERIC, (*_LETTERS, NUMERIC, EXTENDNUMLET)),
    (KATAKANA, (KATAKANA, EXTENDNUMLET)),
    (EXTENDNUMLET, (*_LETTERS, NUMERIC, KATAKANA, EXTENDNUMLET)),
    (WSEGSPACE, (WSEGSPACE,)),
)
# WB6, WB7, WB7b, WB7c, WB11, WB12: what is joined where the next one is one of NEXT's.
BRIDGES = _sets(
    (ALETTER, _MIDDLE),
    (HEBREW, (*_MIDDLE, DOUBLE_QUOTE)),
    (NUMERIC, (MIDNUM, MIDNUMLET, SINGLE_QUOTE)),
)
_NEXT_LETTER = 1 << ALETTER | 1 << HEBREW
_IGNORED = 1 << EXTEND | 1 << FORMAT | 1 << ZWJ


@kernel
def bridge(properties: Numbers, at: int, n: int, left: Int) -> int:
    """Where the character lies that the one at `at` joins to `left`; -1 where none does."""
    right = np.int64(properties[at]) & CLASS
    if not BRIDGES[left] >> right & 1:
        return -1
    further = at + 1
    while further < n and _IGNORED >> (np.int64(properties[further]) & CLASS) & 1:
        further += 1
    if further == n:
        return -1
    if left == NUMERIC:
        wanted = 1 << NUMERIC
    elif right == DOUBLE_QUOTE:
        wanted = 1 << HEBREW
    else:
        wanted = _NEXT_LETTER
    return further if wanted >> (np.int64(properties[further]) & CLASS) & 1 else -1


@kernel
def segment_end(properties: Numbers, start: int, n: int) -> int:
    """Where the segment ends that begins at `start` (Unicode Standard Annex 29, WB3 to WB999)."""
    left: Int = np.int64(properties[start]) & CLASS
    at = start + 1
    if left >= CR:
        follows = left == CR and at < n and np.int64(properties[at]) & CLASS == LF
        return at + 1 if follows else at
    is_odd = left == REGIONAL
    last = left
    while at < n:
        right = np.int64(properties[at]) & CLASS
        if JOINED[left] >> right & 1 and (left != WSEGSPACE or last == WSEGSPACE):
            left = right
        elif right >= CR:
            return at
        elif _IGNORED >> right & 1:
            last = right
            at += 1
            continue
        elif bridge(properties, at, n, left) >= 0:
            at = bridge(properties, at, n, left)
            right = left = np.int64(properties[at]) & CLASS
        else:
            picture = last == ZWJ and properties[at] & PICTURE != 0
            pair = is_odd and right == REGIONAL
            if not (picture or pair or (left == HEBREW and right == SINGLE_QUOTE)):
                return at
            left = right
            is_odd = False
        last = right
        at += 1
    return at


@kernel
def find_words(
    points: Numbers, properties: Numbers, n: int, starts: Places, ends: Places, hashes: Hashes
) -> int:
    """Write where each word begins and ends, and its hash; how many words there are."""
    count = at = 0
    while at < n:
        end = segment_end(properties, at, n)
        seen = np.uint32(0)
        value = SEED
        for i in range(at, end):
            seen |= properties[i]
            value = absorb(value, points[i])
        if seen & WORD:
            if seen & ALONE:
                count = _split(points, properties, at, end, starts, ends, hashes, count)
            else:
                starts[count], ends[count], hashes[count] = at, end, mix(value)
                count += 1
        at = end
    return count


@kernel
def _split(
    points: Numbers,
    properties: Numbers,
    at: int,
    end: int,
    starts: Places,
    ends: Places,
    hashes: Hashes,
    count: int,
) -> int:
    """The words of a segment with characters that stand alone, each with the marks after it."""
    while at < end:
        start = at
        seen = properties[at]
        value = absorb(SEED, points[at])
        alone = seen & ALONE
        at += 1
        while at < end and (properties[at] & MARK if alone else not properties[at] & ALONE):
            seen |= properties[at]
            value = absorb(value, points[at])
            at += 1
        if seen & WORD:
            starts[count], ends[count], hashes[count] = start, at, mix(value)
            count += 1
    return count
