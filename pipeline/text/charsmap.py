"""Lines as SentencePiece normalises them before it cuts them (Kudo and Richardson 2018)."""

import numpy as np
import numpy.typing as npt

from pipeline.text.decoding import Bytes, width
from pipeline.text.kernels import Int, kernel

SPACE = "\u2581"
"""Stands for a space in a piece."""
LONGEST_RULE = 256
"""So many bytes a normalised character has at most."""
_FIRST, _SECOND, _THIRD = SPACE.encode()
_BLANK = 32

Trie = npt.NDArray[np.uint32]
"""A double array (Aoe 1989), as SentencePiece's files have it."""


@kernel
def rule(values: Bytes, at: Int, end: Int, trie: Trie) -> tuple[Int, Int]:
    """The longest characters at a place that are normalised: their bytes, 0 where there are none.

    And where it stands what becomes of them.
    """
    size: Int = 0
    found: Int = 0
    if len(trie) == 0:
        return size, found
    unit = np.int64(trie[0])
    node = (unit >> 10) << ((unit & 512) >> 6)
    for i in range(at, end):
        byte = np.int64(values[i])
        node ^= byte
        if node >= len(trie):
            break
        unit = np.int64(trie[node])
        if unit & 0x800000FF != byte:
            break
        node ^= (unit >> 10) << ((unit & 512) >> 6)
        if unit & 256 and node < len(trie):
            size, found = i + 1 - at, np.int64(trie[node]) & 0x7FFFFFFF
    return size, found


@kernel
def widen(buffer: Bytes, n: Int, room: Int) -> Bytes:
    """The buffer, or a larger one with its content, with so much room after `n`."""
    if n + room <= len(buffer):
        return buffer
    more = np.empty(2 * len(buffer) + room, np.uint8)
    more[:n] = buffer[:n]
    return more


@kernel
def is_space(values: Bytes, at: Int, end: Int) -> bool:
    """Whether it is SPACE that stands there."""
    return bool(
        at + 3 <= end
        and values[at] == _FIRST
        and values[at + 1] == _SECOND
        and values[at + 2] == _THIRD
    )


@kernel
def put_space(line: Bytes, n: Int) -> Int:
    """Write SPACE."""
    line[n], line[n + 1], line[n + 2] = _FIRST, _SECOND, _THIRD
    return n + 3


@kernel
def put_byte(
    line: Bytes, n: Int, byte: np.uint8, after: bool, prefix: bool, strips: bool
) -> tuple[Int, bool]:
    """Write a byte, or SPACE for a space; where `strips`, none after a space."""
    blank = byte == _BLANK
    if blank and after and strips:
        return n, after
    if n == 0 and prefix:
        n = put_space(line, n)
    if blank:
        return put_space(line, n), True
    line[n] = byte
    return n + 1, False


@kernel
def write_line(
    values: Bytes,
    at: Int,
    end: Int,
    trie: Trie,
    rules: Bytes,
    prefix: bool,
    strips: bool,
    line: Bytes,
) -> tuple[Bytes, Int]:
    """Write a line normalised, with SPACE for its spaces; into a larger buffer where it has to."""
    n: Int = 0
    after = strips
    while at < end:
        if n + 3 * LONGEST_RULE + 3 > len(line):
            line = widen(line, n, 3 * LONGEST_RULE + 3)
        size, place = rule(values, at, end, trie)
        if size:
            # A rule's characters end with 0.
            while place < len(rules) and rules[place] != 0:
                n, after = put_byte(line, n, rules[place], after, prefix, strips)
                place += 1
            at += size
            continue
        for _ in range(width(np.int64(values[at]))):
            n, after = put_byte(line, n, values[at], after, prefix, strips)
            at += 1
    while strips and n >= 3 and is_space(line, n - 3, n):
        n -= 3
    return line, n
