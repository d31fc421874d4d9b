"""Lines and paragraphs: what they begin and end with, their hashes, and which of them C4 keeps.

A line ends at LF, CR LF or CR, is stripped, and counts where it holds more than white space (form
feeds, line separators and the like are white space within it). A paragraph is a run of lines with
no blank line in between.
"""

import numpy as np
import numpy.typing as npt

from pipeline.text.characters import BULLET, CLASS, COUNTED, CR, DIGIT, LF, SPACE, TERMINAL
from pipeline.text.decoding import Numbers
from pipeline.text.hashing import SEED, extend, mix
from pipeline.text.kernels import Int, kernel
from pipeline.text.words import Hashes, Places

DOT, HASH, CURLY, SQUARE, CLOSING, ELLIPSIS = 0x2E, 0x23, 0x7B, 0x5B, 0x5D, 0x2026
SHORT = 30
"""Characters; FineWeb counts shorter lines as short."""
C4_WORDS = 5
"""Words between white space; C4 drops lines of fewer."""


def _rows(*phrases: str) -> npt.NDArray[np.uint8]:
    """A phrase to a row, padded with zeros."""
    longest = max(map(len, phrases)) + 1
    return np.array([list(phrase.encode().ljust(longest, b"\0")) for phrase in phrases], np.uint8)


BOILERPLATE = _rows(
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
CITATIONS = _rows("edit]", "citation needed]")
LOREM_IPSUM = _rows("lorem ipsum")


@kernel
def lower(point: Int) -> Int:
    """The small letter of an ASCII letter, and of the one sign whose small letter is ASCII, K."""
    if 65 <= point <= 90:
        return point + 32
    return 107 if point == 0x212A else point


@kernel
def begins(points: Numbers, at: Int, end: Int, phrase: npt.NDArray[np.uint8]) -> bool:
    """Whether the phrase stands at `at`, in any case."""
    length = 0
    while phrase[length]:
        if at + length >= end or lower(np.int64(points[at + length])) != phrase[length]:
            return False
        length += 1
    return True


@kernel
def line_end(properties: Numbers, at: Int, n: Int) -> Int:
    """The place of the line's end mark, or of the end of the text."""
    while at < n:
        kind = np.int64(properties[at]) & CLASS
        if kind in (LF, CR):
            return at
        at += 1
    return at


@kernel
def after_end(properties: Numbers, end: Int, n: Int) -> Int:
    """Where the next line begins."""
    pair = np.int64(properties[end]) & CLASS == CR and end + 1 < n
    return end + 2 if pair and np.int64(properties[end + 1]) & CLASS == LF else end + 1


@kernel
def strip(properties: Numbers, start: Int, end: Int) -> tuple[Int, Int]:
    """The bounds without white space."""
    while start < end and properties[start] & SPACE:
        start += 1
    while end > start and properties[end - 1] & SPACE:
        end -= 1
    return start, end


@kernel
def hash_of(points: Numbers, start: Int, end: Int) -> np.uint64:
    """A line's hash: two characters at a time, because each step waits for the one before."""
    value = SEED
    for i in range(start, end - 1, 2):
        value = extend(value, np.uint64(points[i]) | np.uint64(points[i + 1]) << np.uint64(32))
    if (end - start) % 2:
        value = extend(value, points[end - 1])
    return mix(value)


@kernel
def ends_in_ellipsis(points: Numbers, start: Int, end: Int) -> bool:
    """Three dots, or one character of three."""
    last = points[end - 1]
    if last == ELLIPSIS:
        return True
    dots = last == DOT and end - start >= 3
    return bool(dots and points[end - 2] == DOT and points[end - 3] == DOT)


@kernel
def count_marks(points: Numbers, properties: Numbers, n: int, out: npt.NDArray[np.int64]) -> None:
    """Write how many there are of `#`, of ellipses, `{`, `[` and of "lorem ipsum"."""
    at = 0
    while at < n:
        if not properties[at] & COUNTED:
            at += 1
            continue
        point = points[at]
        if point == DOT:
            start = at
            while at + 1 < n and points[at + 1] == DOT:
                at += 1
            out[1] += (at + 1 - start) // 3
        elif point == HASH:
            out[0] += 1
        elif point == ELLIPSIS:
            out[1] += 1
        elif point == CURLY:
            out[2] += 1
        elif point == SQUARE:
            out[3] += 1
        else:
            out[4] += begins(points, at, n, LOREM_IPSUM[0])
        at += 1


@kernel
def describe_line(
    points: Numbers, properties: Numbers, start: Int, end: Int, out: npt.NDArray[np.int64]
) -> None:
    """Add a line to those that begin with a bullet, end in an ellipsis or mark, are short."""
    out[0] += properties[start] & BULLET != 0
    out[1] += ends_in_ellipsis(points, start, end)
    out[2] += properties[end - 1] & TERMINAL != 0
    out[3] += end - start < SHORT


@kernel
def add_line(
    value: np.uint64, length: Int, count: Int, hashes: Hashes, lengths: Places, is_new: bool
) -> Int:
    """Put a line into the last paragraph, or into a new one; how many paragraphs there are."""
    if is_new:
        hashes[count], lengths[count] = extend(SEED, value), length
        return count + 1
    hashes[count - 1] = extend(hashes[count - 1], value)
    lengths[count - 1] += 1 + length
    return count


@kernel
def without_citations(
    points: Numbers,
    properties: Numbers,
    start: Int,
    end: Int,
    kept_points: Numbers,
    kept_properties: Numbers,
) -> int:
    """Write a line without marks such as [12], [edit] and [citation needed]; its length."""
    n = 0
    at = start
    while at < end:
        after = _citation_end(points, properties, at, end)
        if after > at:
            at = after
            continue
        kept_points[n], kept_properties[n] = points[at], properties[at]
        n += 1
        at += 1
    return n


@kernel
def _citation_end(points: Numbers, properties: Numbers, at: Int, end: Int) -> Int:
    if points[at] != SQUARE:
        return at
    after = at + 1
    while after < end and properties[after] & DIGIT:
        after += 1
    if after > at + 1:
        return after + 1 if after < end and points[after] == CLOSING else at
    for row in range(len(CITATIONS)):
        length = 0
        while CITATIONS[row, length] and after + length < end:
            if points[after + length] != CITATIONS[row, length]:
                break
            length += 1
        if not CITATIONS[row, length]:
            return after + length
    return at
