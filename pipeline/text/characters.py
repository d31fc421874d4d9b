"""What each character is: its part in word breaks and what else the measures ask, in one number."""

import base64
import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pipeline.text.character_table import PACKED, RUNS

CLASS = 31
"""The bits of the Word_Break value, which are these:"""
OTHER, ALETTER, HEBREW, NUMERIC, KATAKANA, EXTENDNUMLET, WSEGSPACE, REGIONAL = range(8)
MIDLETTER, MIDNUM, MIDNUMLET, SINGLE_QUOTE, DOUBLE_QUOTE, EXTEND, FORMAT, ZWJ = range(8, 16)
CR, LF, NEWLINE = range(16, 19)

WORD = 1 << 5
"""A letter or a number: what makes a segment a word."""
LETTER = 1 << 6
DIGIT = 1 << 7
SPACE = 1 << 8
ALONE = 1 << 9
"""Han, kana and Thai: each is a word of its own."""
MARK = 1 << 10
"""Belongs to a character before it that stands alone."""
PICTURE = 1 << 11
BULLET = 1 << 12
TERMINAL = 1 << 13
COUNTED = 1 << 14
"""Is counted by itself, or begins what is."""
OPENER = 1 << 15
"""Begins a phrase of boilerplate."""

BULLETS = "\u2022\u2023\u2043\u25e6\u25cf\u25cb\u25a0\u25a1\u25aa\u25ab\u00b7-*"
"""What begins a line of a list."""
TERMINAL_MARKS = (
    ".!?\u2026\"'\u201d\u2019\u00bb"
    "\u3002\uff01\uff1f\uff0e\uff61\u300d\u300f\u061f\u06d4\u0964\u0965\u0589\u1362\u104b\u17d4"
)
"""What ends a sentence: full stops and closing quotation marks, of other scripts as well."""
_FLAGGED = {
    BULLET: BULLETS,
    TERMINAL: TERMINAL_MARKS,
    COUNTED: ".#{[\u2026lL",
    OPENER: "jtpcuJTPCU",
}

BLOCK_BITS = 7
POINTS = 0x110000


@dataclass(frozen=True)
class Table:
    """A number for every code point: `blocks[index[point >> 7], point & 127]`."""

    index: npt.NDArray[np.uint16]
    blocks: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, values: npt.NDArray[np.uint32]) -> "Table":
        """Equal blocks are kept once; ASCII's is the first."""
        blocks = values.reshape(-1, 1 << BLOCK_BITS)
        kept: dict[bytes, int] = {}
        index = [kept.setdefault(block.tobytes(), len(kept)) for block in blocks]
        unique = np.frombuffer(b"".join(kept), np.uint32).reshape(-1, 1 << BLOCK_BITS)
        return cls(np.array(index, np.uint16), unique.copy())


@lru_cache(1)
def properties() -> Table:
    """The Word_Break value and the flags of every code point."""
    content = zlib.decompress(base64.b85decode(PACKED))
    starts = np.cumsum(np.frombuffer(content, "<u4", RUNS), dtype=np.int64)
    values = np.frombuffer(content, "<u2", RUNS, 4 * RUNS)
    found = np.repeat(values, np.diff(starts, append=POINTS)).astype(np.uint32)
    for flag, characters in _FLAGGED.items():
        found[[ord(c) for c in characters]] |= flag
    return Table.of(found)
