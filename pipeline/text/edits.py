"""Edits of a text by ranges of its code points: kept lines, removed substrings, redaction."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

Range = tuple[int, int]
"""Half open: from the first code point to the one after the last."""


@dataclass(frozen=True)
class Redaction:
    """A range in whose place a replacement stands."""

    start: int
    end: int
    replacement: str


@dataclass(frozen=True)
class EditedText:
    """A text after its edits, and how many code points each kind of edit took out, in turn."""

    text: str
    by_lines: int
    by_substrings: int
    by_redaction: int


def edit_text(
    text: str,
    lines: Iterable[Range] | None = None,
    substrings: Iterable[Range] = (),
    redactions: Iterable[Redaction] = (),
) -> EditedText:
    """Keep `lines` (all without), remove `substrings`, then redact what is left.

    All ranges are of the text as it was, in any order, inside it. A redacted range of which
    anything is left becomes its replacement, once; of ranges that overlap that of the first one.
    """
    whole = [(0, len(text))]
    kept = whole if lines is None else merged(lines)
    left = list(_without(kept, merged(substrings)))
    marks = list(_merged_redactions(redactions))
    clear = list(_without(left, [(mark.start, mark.end) for mark in marks]))
    sizes = [_size(ranges) for ranges in (whole, kept, left, clear)]
    taken = [before - after for before, after in pairwise(sizes)]
    pieces = [(start, text[start:end]) for start, end in clear]
    # Nothing that is clear begins in a redacted range.
    pieces += [(mark.start, mark.replacement) for mark in _touching(marks, left)]
    return EditedText("".join(piece for _, piece in sorted(pieces)), *taken)


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same code points as ranges in order, none of which is empty or overlaps another."""
    found: list[Range] = []
    for start, end in sorted(ranges):
        if start == end:
            continue
        if found and start < found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def _merged_redactions(redactions: Iterable[Redaction]) -> Iterator[Redaction]:
    held: Redaction | None = None
    for mark in sorted(redactions, key=lambda r: (r.start, -r.end, r.replacement)):
        if mark.start == mark.end:
            continue
        if held is not None and mark.start < held.end:
            held = Redaction(held.start, max(held.end, mark.end), held.replacement)
            continue
        if held is not None:
            yield held
        held = mark
    if held is not None:
        yield held


def _without(ranges: Sequence[Range], removed: Sequence[Range]) -> Iterator[Range]:
    """What is left of ranges, both in order."""
    first = 0
    for begin, end in ranges:
        start = begin
        while first < len(removed) and removed[first][1] <= start:
            first += 1
        at = first
        while at < len(removed) and removed[at][0] < end:
            if start < removed[at][0]:
                yield start, removed[at][0]
            start = max(start, removed[at][1])
            at += 1
        if start < end:
            yield start, end


def _touching(marks: Sequence[Redaction], left: Sequence[Range]) -> Iterator[Redaction]:
    """Each redaction of which anything is left."""
    at = 0
    for mark in marks:
        while at < len(left) and left[at][1] <= mark.start:
            at += 1
        if at < len(left) and left[at][0] < mark.end:
            yield mark


def _size(ranges: Iterable[Range]) -> int:
    return sum(end - start for start, end in ranges)
