"""Texts as CCNet normalises them before it scores them (Wenzek et al. 2020, arXiv 1911.00359).

Lower case, no accents, every digit a 0, punctuation as ASCII has it, no control characters.
"""

import unicodedata
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pipeline.text.characters import POINTS, Table
from pipeline.text.decoding import Blocks, Bytes, Index, Offsets, character, frozen, width
from pipeline.text.kernels import Int, kernel

PUNCTUATION = {
    **dict.fromkeys("„“”«»「」《》", '"'),
    **dict.fromkeys("´’", "'"),
    **dict.fromkeys("，、", ","),
    **dict.fromkeys("∶：", ":"),
    **dict.fromkeys("–━►", "-"),
    **dict(zip("。？！（）；～〈〉【】％", ".?!();~<>[]%", strict=True)),
    "—": " - ",
    "．": ". ",
    "…": "...",
}
"""What stands for a mark that is not ASCII."""

_LENGTH_BITS = 5
_CHANGED = 1 << 24
"""The low bits are the place of what it becomes in UTF-8, and how many bytes that is."""
_BLANK = 1 << 25
"""White space, which is left out at both ends of a line."""
_UNSAFE = 1 << 26
"""What becomes of it depends on its neighbours."""
GROWTH = 3
"""A text has at most so many times its bytes afterwards: a syllable of Hangul comes apart."""
# Letters that are what they are, and many: CJK, private use, planes without letters.
_PLAIN = (
    (0x3400, 0x4DC0),
    (0x4E00, 0xA000),
    (0xD800, 0xF900),
    (0x20000, 0x2F800),
    (0x2FA20, POINTS),
)

Tables = tuple[Index, Blocks, Bytes]


def normalise_text(text: str) -> str:
    """A text, or a line of it, after CCNet."""
    bare = unicodedata.normalize("NFD", text.strip().lower())
    return "".join(_become(c) for c in bare)


def _become(c: str) -> str:
    kind = unicodedata.category(c)
    if kind == "Mn" or kind == "Cc":
        return ""
    return "0" if kind == "Nd" else PUNCTUATION.get(c, c)


@lru_cache(1)
def tables() -> Tables:
    """By this Python's `unicodedata`."""
    entries = np.zeros(POINTS, np.uint32)
    several = bytearray()
    edge = 0
    for start, end in (*_PLAIN, (POINTS, POINTS)):
        for point in range(edge, start):
            entries[point] = _entry(chr(point), several)
        edge = end
    # Variation selectors are marks in a plane that has nothing else.
    entries[0xE0100:0xE01F0] = _CHANGED
    table = Table.of(entries)
    return table.index, table.blocks, np.frombuffer(bytes(several), np.uint8)


def _entry(c: str, several: bytearray) -> int:
    lower = c.lower()
    bare = unicodedata.normalize("NFD", lower)
    entry = _BLANK if c.isspace() else 0
    moves = any(unicodedata.combining(d) and unicodedata.category(d) != "Mn" for d in bare)
    # A sigma at the end of a word has a form of its own.
    if moves or c == "Σ":
        return entry | _UNSAFE
    after = "".join(map(_become, bare))
    if after == c:
        return entry
    place, size = len(several), len(after.encode())
    several += after.encode()
    return entry | _CHANGED | place << _LENGTH_BITS | size


@kernel
def rewrite(
    values: Bytes, start: Int, end: Int, by_line: bool, tables: Tables, out: Bytes, n: Int
) -> int:
    """Write a text from `out[n]` on; where it ends, or -1 where it takes more than looking up."""
    index, blocks, several = tables
    at, first, kept = start, n, n
    begun = False
    while at < end:
        point: Int = np.int64(values[at])
        if by_line and point == 10:
            out[kept] = 10
            n = kept + 1
            kept, begun = n, False
            at += 1
            continue
        if point < 0x80:
            size, entry = 1, blocks[0, point]
        else:
            size = width(point)
            point = character(values, at, point)
            entry = blocks[index[point >> 7], point & 127]
        if entry & _UNSAFE:
            return -1
        begun = begun or not entry & _BLANK
        if begun:
            if entry & _CHANGED:
                place = (entry & (_CHANGED - 1)) >> _LENGTH_BITS
                for i in range(entry & 31):
                    out[n] = several[place + i]
                    n += 1
            else:
                for i in range(size):
                    out[n] = values[at + i]
                    n += 1
            if not entry & _BLANK:
                kept = n
        at += size
    return int(max(kept, first))


@kernel
def rewrite_all(
    values: Bytes, offsets: Offsets, by_line: bool, tables: Tables, out: Bytes
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Write all texts one behind another; their ends, and which of them could not be written."""
    ends = np.zeros(len(offsets), np.int64)
    left = np.zeros(len(offsets) - 1, np.bool_)
    n = 0
    for row in range(len(offsets) - 1):
        done = rewrite(values, offsets[row], offsets[row + 1], by_line, tables, out, n)
        left[row] = done < 0
        n = max(n, done)
        ends[row + 1] = n
    return ends, left


def normalise(values: Bytes, offsets: Offsets, by_line: bool) -> tuple[Bytes, Offsets]:
    """Texts after CCNet, each line by itself or, as CCNet's own scripts do, all lines as one.

    As one, a line's last word and the next one's first become one word.
    """
    size = int(offsets[-1] - offsets[0]) if len(offsets) > 1 else 0
    out = np.empty(GROWTH * size + 1, np.uint8)
    ends, left = rewrite_all(values, offsets, by_line, tables(), out)
    if not left.any():
        return out[: ends[-1]], ends
    texts = [out[ends[row] : ends[row + 1]].tobytes() for row in range(len(left))]
    for row in np.flatnonzero(left):
        text = bytes(values[offsets[row] : offsets[row + 1]]).decode()
        lines = text.split("\n") if by_line else [text]
        texts[row] = "\n".join(map(normalise_text, lines)).encode()
    return frozen(
        np.frombuffer(b"".join(texts), np.uint8), np.cumsum([0, *map(len, texts)], dtype=np.int64)
    )
