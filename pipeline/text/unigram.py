"""Texts cut into the pieces of a unigram model (Kudo 2018), the likeliest ones of each word.

As SentencePiece does it, for models whose pieces have a space nowhere but at their beginning: then
each word is cut by itself, and a word that was seen a moment ago is copied.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.text.backoff import Slots, find, hash_bytes
from pipeline.text.charsmap import LONGEST_RULE, Trie, is_space, widen, write_line
from pipeline.text.decoding import Bytes, Offsets, frozen, width
from pipeline.text.hashing import SEED, extend
from pipeline.text.kernels import Int, kernel

LONGEST_WORD = 1 << 16
"""A word of more bytes is cut."""
_UPPER = np.uint64(48)
_WORDS = 1 << 16
_PENALTY = 10.0
"""An unknown character is so much less likely than the unlikeliest piece."""
_NEVER = np.float32(-np.inf)
_BLANK, _LINE = 32, 10

Sums = npt.NDArray[np.float32]
Starts = npt.NDArray[np.int32]
Work = tuple[Sums, Starts, Starts, Slots]
"""Room to cut a word in; words seen a moment ago, and where their pieces were written."""
Tables = tuple[Trie, Bytes, Slots]
"""How characters are normalised: a double array trie (Aoe 1989), and what they become; the scores
of pieces and of their beginnings."""


@dataclass(frozen=True)
class Pieces:
    """A unigram model."""

    tables: Tables
    unknown: float
    """The score of a character that is no piece."""
    prefix: bool
    """Whether a line is read as if a space stood before it."""
    strips: bool
    """Whether runs of spaces are one, and those at both ends none."""
    names: tuple[str, ...]


def make_pieces(
    scores: Sequence[tuple[str, float]], charsmap: bytes, prefix: bool, strips: bool, least: float
) -> Pieces:
    """A model of pieces with their scores, of which `least` is that of the unlikeliest."""
    begin = int.from_bytes(charsmap[:4], "little") + 4
    trie = np.frombuffer(charsmap, "<u4", begin // 4 - 1, 4 if charsmap else 0)
    rules = np.frombuffer(charsmap[begin:], np.uint8)
    content = b"".join(piece.encode() for piece, _ in scores)
    ends = np.cumsum([0, *(len(piece.encode()) for piece, _ in scores)], dtype=np.int64)
    values = np.array([score for _, score in scores], np.float32)
    slots = np.zeros((2 * len(content) + 16, 2), np.uint64)
    add_pieces(*frozen(np.frombuffer(content, np.uint8), ends), values, slots)
    names = tuple(piece for piece, _ in scores)
    return Pieces((trie.astype(np.uint32), rules, slots), least - _PENALTY, prefix, strips, names)


@kernel
def add_pieces(
    content: Bytes, ends: Offsets, scores: npt.NDArray[np.float32], slots: Slots
) -> None:
    """Put in the hash of every piece with its score, and that of every beginning of one."""
    values = slots.view(np.float32)
    for row in range(len(ends) - 1):
        key = SEED
        for at in range(ends[row], ends[row + 1]):
            key = step(key, content[at])
            place = find(slots, key)
            if place < 0:
                place = -1 - place
                slots[place, 0] = key
                values[place, 2] = _NEVER
            if at == ends[row + 1] - 1:
                values[place, 2] = scores[row]


@kernel
def step(key: np.uint64, byte: np.uint8) -> np.uint64:
    """The hash of a beginning that is one byte longer; never 0."""
    return extend(key, np.uint64(byte)) | np.uint64(1)


@kernel
def cut_word(
    word: Bytes, begin: Int, size: Int, slots: Slots, unknown: float, best: Sums, starts: Starts
) -> None:
    """Of each end of a piece in the word, where the piece begins; unknown ones are less than 0."""
    values = slots.view(np.float32)
    best[: size + 1] = _NEVER
    best[0] = 0.0
    at: Int = 0
    while at < size:
        one = at + width(np.int64(word[begin + at]))
        whole = False
        key = SEED
        for i in range(at, size):
            key = step(key, word[begin + i])
            place = find(slots, key)
            if place < 0:
                break
            score = values[place, 2]
            if score == _NEVER:
                continue
            whole = whole or i + 1 == one
            if best[at] + score > best[i + 1]:
                best[i + 1] = best[at] + score
                starts[i + 1] = at
        if not whole and best[at] + unknown > best[one]:
            best[one] = best[at] + unknown
            starts[one] = -1 - at
        at = one


@kernel
def write_word(
    word: Bytes, begin: Int, size: Int, starts: Starts, cuts: Starts, out: Bytes, n: Int
) -> Int:
    """Write the pieces, each with a space after it; unknown characters in a row are one piece."""
    count, at = 0, size
    while at > 0:
        start = starts[at]
        cuts[count] = at if start >= 0 else -at
        count += 1
        at = start if start >= 0 else -1 - start
    at = 0
    for i in range(count - 1, -1, -1):
        end = abs(cuts[i])
        for j in range(at, end):
            out[n] = word[begin + j]
            n += 1
        if i == 0 or cuts[i] >= 0 or cuts[i - 1] >= 0:
            out[n] = _BLANK
            n += 1
        at = end
    return n


@kernel
def cut_line(
    line: Bytes, size: Int, slots: Slots, unknown: float, work: Work, out: Bytes, n: Int
) -> Int:
    """Write a line's pieces, word by word."""
    best, starts, cuts, seen = work
    at: Int = 0
    while at < size:
        end = at + 3 if is_space(line, at, size) else at
        while end < size and not is_space(line, end, size) and end - at < LONGEST_WORD:
            end += width(np.int64(line[end]))
        key = hash_bytes(line, at, end)
        held = np.int64(key >> _UPPER)
        if seen[held, 0] == key:
            start, count = np.int64(seen[held, 1]), np.int64(seen[held, 2])
            for i in range(start, start + count):
                out[n] = out[i]
                n += 1
        else:
            cut_word(line, at, end - at, slots, unknown, best, starts)
            seen[held, 0], seen[held, 1] = key, np.uint64(n)
            first = n
            n = write_word(line, at, end - at, starts, cuts, out, n)
            seen[held, 2] = np.uint64(n - first)
        at = end
    return n


@kernel
def write_pieces(
    values: Bytes, offsets: Offsets, by_line: bool, tables: Tables,
    unknown: float, prefix: bool, strips: bool,
) -> tuple[Bytes, Offsets]:  # fmt: skip
    """All texts as pieces with a space after each, lines still lines."""
    trie, rules, slots = tables
    out = np.empty(2 * (offsets[len(offsets) - 1] - offsets[0]) + 64, np.uint8)
    ends = np.zeros(len(offsets), np.int64)
    line = np.empty(4 * LONGEST_RULE, np.uint8)
    longest = LONGEST_WORD + 8
    work = (
        np.empty(longest, np.float32), np.empty(longest, np.int32), np.empty(longest, np.int32),
        np.zeros((_WORDS, 3), np.uint64),
    )  # fmt: skip
    n: Int = 0
    for row in range(len(offsets) - 1):
        at, last = np.int64(offsets[row]), np.int64(offsets[row + 1])
        while at < last:
            end = at
            while end < last and not (by_line and values[end] == _LINE):
                end += 1
            line, size = write_line(values, at, end, trie, rules, prefix, strips, line)
            if n + 2 * size + 1 > len(out):
                out = widen(out, n, 2 * size + 1)
            n = cut_line(line, size, slots, unknown, work, out, n)
            if end < last:
                out[n] = _LINE
                n += 1
            at = end + 1
        ends[row + 1] = n
    return out[:n], ends


def cut(pieces: Pieces, values: Bytes, offsets: Offsets, by_line: bool) -> tuple[Bytes, Offsets]:
    """Texts, or their lines, as pieces with a space after each."""
    found, ends = write_pieces(
        values, offsets, by_line, pieces.tables, pieces.unknown, pieces.prefix, pieces.strips
    )
    return frozen(found, ends)
