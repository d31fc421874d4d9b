"""The lines that C4 keeps, and the sentences in them (Raffel et al. 2020, section 2.2)."""

import numpy as np
import numpy.typing as npt

from pipeline.text.characters import OPENER, SPACE
from pipeline.text.decoding import Numbers
from pipeline.text.kernels import Int, kernel
from pipeline.text.lines import BOILERPLATE, C4_WORDS, DOT, begins


def _flags(characters: str) -> npt.NDArray[np.bool_]:
    found = np.zeros(0x2020, np.bool_)
    found[[ord(c) for c in characters]] = True
    return found


LINE_ENDS = _flags('.!?"\u201d')
STOPS = _flags(".!?")
CLOSERS = _flags("\"'\u201d\u2019)]")


@kernel
def among(point: Int, flags: npt.NDArray[np.bool_]) -> bool:
    """Whether the character is one of those flagged."""
    return bool(point < len(flags) and flags[point])


@kernel
def has_boilerplate(points: Numbers, properties: Numbers, start: Int, end: Int) -> bool:
    """Whether the line speaks of JavaScript, terms, privacy or cookies."""
    for at in range(start, end):
        if properties[at] & OPENER:
            for row in range(len(BOILERPLATE)):
                if begins(points, at, end, BOILERPLATE[row]):
                    return True
    return False


@kernel
def has_words(properties: Numbers, start: Int, end: Int, wanted: int) -> bool:
    """Whether the line has so many words between white space."""
    count = 0
    was_space = True
    for at in range(start, end):
        is_space = properties[at] & SPACE != 0
        if was_space and not is_space:
            count += 1
            if count == wanted:
                return True
        was_space = is_space
    return False


@kernel
def is_kept(points: Numbers, properties: Numbers, start: Int, end: Int) -> bool:
    """Whether C4 keeps the line, stripped and without citation marks."""
    if end == start or not among(np.int64(points[end - 1]), LINE_ENDS):
        return False
    dots = 0
    while dots < 3 and end - dots > start and points[end - 1 - dots] == DOT:
        dots += 1
    if dots == 3 or not has_words(properties, start, end, C4_WORDS):
        return False
    return not has_boilerplate(points, properties, start, end)


@kernel
def count_sentences(points: Numbers, properties: Numbers, start: Int, end: Int) -> int:
    """Stops, with closing marks after them, before white space or the end; at least one."""
    count = 0
    at = start
    while at < end:
        if not among(np.int64(points[at]), STOPS):
            at += 1
            continue
        while at < end and among(np.int64(points[at]), STOPS):
            at += 1
        while at < end and among(np.int64(points[at]), CLOSERS):
            at += 1
        count += at == end or properties[at] & SPACE != 0
    return max(1, count)
