"""Texts after NFKC and casefold, in which words are compared.

Most texts change by character, or by two that join. Where more could join or change places (Unicode
Standard Annex 15) the text is normalised by `unicodedata`, whose version decides for both.
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pipeline.text.characters import POINTS, Table
from pipeline.text.decoding import Blocks, Bytes, Index, Numbers, Offsets, character, frozen, width
from pipeline.text.kernels import Int, kernel

_POINT = 0x1FFFFF
"""The low bits: what is to be added to the code point, modulo 2 ** 21."""
_SEVERAL = 1 << 21
"""The low bits are the place of several characters, less than 2 ** 16, and how many there are."""
_LENGTH_BITS = 5
_FIRST = 1 << 22
"""May join with a mark after it."""
_SECOND = 1 << 23
"""May join with a character before it."""
_RANK = 24
"""From here on the combining class, of which the last character has it if there are several."""
_UNSAFE = 255
_PAIR_BITS = 21
SLACK = 64
"""So many characters more than bytes may come of a beginning of a text."""


Places = npt.NDArray[np.int64]
FoldTables = tuple[Index, Blocks, Numbers, Places, Places]
"""A Table of what becomes of each character; what those of several characters are; pairs of
characters that join, in order; what each becomes."""

# Blocks of letters that are what they are, and many: CJK, Hangul, planes without letters.
_PLAIN = (
    *((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xAC00, 0xF900)),
    *((0x20000, 0x2F800), (0x2FA20, POINTS)),
)


@lru_cache(1)
def folds() -> FoldTables:
    """By this Python's `unicodedata`."""
    entries = np.zeros(POINTS, np.uint32)
    entries[0xAC00:0xD7A4] |= _FIRST
    several: list[int] = []
    pairs = _pairs()
    first = frozenset(chr(pair >> _PAIR_BITS) for pair in pairs) | _come_apart()
    second = frozenset(chr(pair & _POINT) for pair in pairs) | _JAMO
    edge = 0
    for start, end in _PLAIN:
        for point in range(edge, start):
            if not 0xD800 <= point < 0xE000:
                entries[point] = _entry(chr(point), first, second, several)
        edge = end
    table = Table.of(entries)
    keys = np.array(sorted(pairs), np.int64)
    joined = np.array([pairs[int(key)] for key in keys], np.int64)
    return table.index, table.blocks, np.array(several, np.uint32), keys, joined


def _decomposable() -> Iterator[tuple[int, list[int]]]:
    """Characters that are canonically equivalent to others, and to which."""
    for point in (*range(0x3400), *range(0xF900, 0x20000), *range(0x2F800, 0x2FA20)):
        parts = unicodedata.decomposition(chr(point))
        if parts and not parts.startswith("<"):
            yield point, [int(part, 16) for part in parts.split()]


def _pairs() -> dict[int, int]:
    """Two characters that join, in one number, and what they become; without Hangul."""
    return {
        parts[0] << _PAIR_BITS | parts[1]: point
        for point, parts in _decomposable()
        if unicodedata.normalize("NFC", "".join(map(chr, parts))) == chr(point)
    }


def _come_apart() -> frozenset[str]:
    """Characters that could lose a part to a mark after them; Hangul's, which join by rule."""
    hangul = (*range(0x1100, 0x1113), *range(0xAC00, 0xD7A4))
    return frozenset(map(chr, (*hangul, *(point for point, _ in _decomposable()))))


_JAMO = frozenset(map(chr, (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))))


def _entry(c: str, first: frozenset[str], second: frozenset[str], several: list[int]) -> int:
    normal = unicodedata.normalize("NFKC", c)
    folded = normal.casefold()
    starters = [d for d in normal if not unicodedata.combining(d)]
    rank = unicodedata.combining(normal[-1])
    if len(normal) > 1 and unicodedata.combining(normal[0]):
        rank = _UNSAFE
    entry = rank << _RANK
    entry |= _FIRST if starters and starters[-1] in first else 0
    entry |= _SECOND if normal[0] in second else 0
    if len(folded) == 1 == len(normal):
        return entry | (ord(folded) - ord(c)) & _POINT
    several += map(ord, folded)
    at = len(several) - len(folded)
    return entry | _SEVERAL | at << _LENGTH_BITS | len(folded)


@kernel
def fold(values: Bytes, start: Int, end: Int, folds: FoldTables, points: Numbers) -> int:
    """Write the characters after NFKC and casefold; how many, or -1 where that takes more."""
    index, blocks, several, pairs, joined = folds
    n: Int = 0
    at = start
    base: Int = 0
    before: Int = 0
    joins = False
    rank = np.uint32(0)
    while at < end:
        point: Int = np.int64(values[at])
        if point < 0x80:
            entry = blocks[0, point]
            base, before, joins, rank = point, n, entry & _FIRST != 0, np.uint32(0)
            points[n] = (point + entry) & _POINT
            n += 1
            at += 1
            continue
        point = character(values, at, point)
        at += width(np.int64(values[at]))
        entry = blocks[index[point >> 7], point & 127]
        own = entry >> _RANK
        if own == _UNSAFE or (not entry & _SEVERAL and 0 < own < rank):
            return -1
        if joins and entry & _SECOND:
            point = _composite(pairs, joined, base, point) if rank == 0 else -1
            if point < 0:
                return -1
            entry = blocks[index[point >> 7], point & 127]
            n = before
        rank = entry >> _RANK
        if rank == 0 or entry & _SEVERAL:
            base, before, joins = point, n, entry & _FIRST != 0
        n = _put(points, n, point, entry, several, at - start + SLACK)
        if n < 0:
            return -1
    return int(n)


@kernel
def _composite(pairs: Places, joined: Places, first: Int, second: Int) -> Int:
    """The character that two in a row are canonically equivalent to; -1 where there is none."""
    wanted = first << _PAIR_BITS | second
    low, high = 0, len(pairs)
    while low < high:
        middle = (low + high) // 2
        if pairs[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return joined[low] if low < len(pairs) and pairs[low] == wanted else -1


@kernel
def _put(points: Numbers, n: Int, point: Int, entry: Int, several: Numbers, room: Int) -> Int:
    """Write what a character becomes; how many there are then, or -1 where they outgrow it."""
    if not entry & _SEVERAL:
        points[n] = (point + entry) & _POINT
        return n + 1
    place = (entry & _POINT) >> _LENGTH_BITS
    more = np.int64(entry & 31)
    if n + more > room:
        return -1
    for i in range(more):
        points[n + i] = several[place + i]
    return n + more


def normalise(
    values: Bytes, offsets: Offsets, rows: npt.NDArray[np.integer]
) -> tuple[Bytes, Offsets]:
    """The documents at `rows`, normalised in Python."""
    texts = [bytes(values[offsets[row] : offsets[row + 1]]).decode() for row in rows]
    folded = [unicodedata.normalize("NFKC", text).casefold().encode() for text in texts]
    ends = np.cumsum([0, *map(len, folded)], dtype=np.int64)
    return frozen(np.frombuffer(b"".join(folded), np.uint8), ends)
