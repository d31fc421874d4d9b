"""Edits code point by code point: what the merged ranges are compared with."""

from collections.abc import Sequence

Plain = tuple[int, int]
Marked = tuple[int, int, str]


def edited(
    text: str,
    lines: Sequence[Plain] | None,
    substrings: Sequence[Plain],
    redactions: Sequence[Marked],
) -> tuple[str, int, int, int]:
    """The edited text, and the code points that lines, substrings and redaction took out."""
    size = len(text)
    kept = [lines is None or any(a <= at < b for a, b in lines) for at in range(size)]
    gone = [any(a <= at < b for a, b in substrings) for at in range(size)]
    owner = _owners(size, redactions)
    out, told = "", set()
    by_lines = by_substrings = by_redaction = 0
    for at, character in enumerate(text):
        mark = owner[at]
        if not kept[at]:
            by_lines += 1
        elif gone[at]:
            by_substrings += 1
        elif mark is not None:
            by_redaction += 1
            if mark not in told:
                told.add(mark)
                out += redactions[mark][2]
        else:
            out += character
    return out, by_lines, by_substrings, by_redaction


def _owners(size: int, redactions: Sequence[Marked]) -> list[int | None]:
    """Of each code point the first range of those that overlap, one with the next, and cover it."""
    found: list[int | None] = [None] * size
    order = sorted(
        (number for number, (start, end, _) in enumerate(redactions) if start < end),
        key=lambda n: (redactions[n][0], -redactions[n][1], redactions[n][2]),
    )
    for number in order:
        start, end, _ = redactions[number]
        owner = found[start] if found[start] is not None else number
        for at in range(start, end):
            found[at] = owner
    return found
