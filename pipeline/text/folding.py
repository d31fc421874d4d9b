"""Texts after NFKC and casefold, in which words are compared.

Most texts change by character if at all. Where characters could join or change places (Unicode
Standard Annex 15) the text is normalised by `unicodedata`, whose version decides for both.
"""

import unicodedata
from dataclasses import dataclass
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
SLACK = 64
"""So many characters more than bytes may come of a beginning of a text."""


@dataclass(frozen=True)
class Folds:
    """What becomes of each character."""

    table: Table
    several: Numbers


# Blocks of letters that are what they are, and many: CJK, Hangul, planes without letters.
_PLAIN = (
    *((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xAC00, 0xF900)),
    *((0x20000, 0x2F800), (0x2FA20, POINTS)),
)


@lru_cache(1)
def folds() -> Folds:
    """By this Python's `unicodedata`."""
    entries = np.zeros(POINTS, np.uint32)
    entries[0xAC00:0xD7A4] |= _FIRST
    several: list[int] = []
    first, second = _pairs()
    edge = 0
    for start, end in _PLAIN:
        for point in range(edge, start):
            if not 0xD800 <= point < 0xE000:
                entries[point] = _entry(chr(point), first, second, several)
        edge = end
    return Folds(Table.of(entries), np.array(several, np.uint32))


def _pairs() -> tuple[frozenset[str], frozenset[str]]:
    """Characters that join with a later one or come apart; characters that join with an earlier."""
    first = {chr(point) for point in (*range(0x1100, 0x1113), *range(0xAC00, 0xD7A4))}
    second = {chr(point) for point in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}
    for point in (*range(0x3400), *range(0xF900, 0x20000), *range(0x2F800, 0x2FA20)):
        parts = unicodedata.decomposition(chr(point))
        if parts and not parts.startswith("<"):
            characters = [chr(int(part, 16)) for part in parts.split()]
            first.add(chr(point))
            if unicodedata.normalize("NFC", "".join(characters)) == chr(point):
                first.add(characters[0])
                second.add(characters[1])
    return frozenset(first), frozenset(second)


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
def fold(
    values: Bytes,
    start: int,
    end: int,
    index: Index,
    blocks: Blocks,
    several: Numbers,
    points: Numbers,
) -> int:
    """Write the characters after NFKC and casefold; how many, or -1 where that takes more."""
    n: Int = 0
    at = start
    joins = False
    rank = np.uint32(0)
    while at < end:
        first = np.int64(values[at])
        if first < 0x80:
            entry = blocks[0, first]
            points[n] = (first + entry) & _POINT
            n += 1
            at += 1
            joins = entry & _FIRST != 0
            rank = np.uint32(0)
            continue
        point = character(values, at, first)
        at += width(first)
        entry = blocks[index[point >> 7], point & 127]
        own = entry >> _RANK
        leading = np.uint32(0) if entry & _SEVERAL else own
        if own == _UNSAFE or (joins and entry & _SECOND) or (leading and leading < rank):
            return -1
        if not leading:
            joins = entry & _FIRST != 0
        rank = own
        if entry & _SEVERAL:
            place = (entry & _POINT) >> _LENGTH_BITS
            more = np.int64(entry & 31)
            if n + more > at - start + SLACK:
                return -1
            for i in range(more):
                points[n + i] = several[place + i]
            n += more
        else:
            points[n] = (point + entry) & _POINT
            n += 1
    return int(n)


def normalise(
    values: Bytes, offsets: Offsets, rows: npt.NDArray[np.integer]
) -> tuple[Bytes, Offsets]:
    """The documents at `rows`, normalised in Python."""
    texts = [bytes(values[offsets[row] : offsets[row + 1]]).decode() for row in rows]
    folded = [unicodedata.normalize("NFKC", text).casefold().encode() for text in texts]
    ends = np.cumsum([0, *map(len, folded)], dtype=np.int64)
    return frozen(np.frombuffer(b"".join(folded), np.uint8), ends)
