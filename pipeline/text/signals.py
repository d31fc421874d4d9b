"""All signals of a batch of documents, counted in its UTF-8 while each is in the cache."""

import numpy as np
import numpy.typing as npt

from pipeline.text.c4 import count_sentences, is_kept
from pipeline.text.characters import LETTER, properties
from pipeline.text.decoding import Blocks, Bytes, Index, Numbers, Offsets, decode, frozen, longest
from pipeline.text.kernels import Int, kernel, warm
from pipeline.text.lines import (
    add_line,
    after_end,
    count_marks,
    describe_line,
    hash_of,
    line_end,
    lower,
    strip,
    without_citations,
)
from pipeline.text.measures import COUNTS, PLACES, Column, Counts, measures
from pipeline.text.repeats import Table, count_repeats, cover_grams, make_table, slots_for
from pipeline.text.words import Hashes, Places, find_words

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Gopher's stop words (Rae et al. 2021, appendix A.1); each counts once, in any case."""
_STOP_CODES = np.array([int.from_bytes(word.encode(), "big") for word in STOP_WORDS], np.int64)
_LONGEST_STOP_WORD = max(map(len, STOP_WORDS))

_WORDS = PLACES["words"]
_MARKS = PLACES["hashes"]
_SQUARE = PLACES["square_brackets"]
_BREAKS = PLACES["breaks"]
_ENDS = PLACES["bullet_lines"]
_LINES = PLACES["lines"]
_PARAGRAPHS = PLACES["paragraphs"]
_GRAMS = PLACES["2gram_characters"]
_C4 = PLACES["c4_lines"]
_STAMPS = 11
"""Questions asked of the table about a document: its lines, paragraphs, 2- to 10-grams."""

Scratch = tuple[Numbers, Numbers, Places, Places, Hashes, Places, Hashes, Places]


@kernel
def _make_scratch(size: int) -> Scratch:
    """Characters, their properties; two places, a hash, a place, a hash and a place for words."""
    return (
        np.empty(size, np.uint32),
        np.empty(size, np.uint32),
        np.empty(size, np.int64),
        np.empty(size, np.int64),
        np.empty(size, np.uint64),
        np.empty(size, np.int64),
        np.empty(size, np.uint64),
        np.empty(size, np.int64),
    )


@kernel
def _measure_line(
    points: Numbers,
    properties: Numbers,
    start: Int,
    end: Int,
    spare_points: Numbers,
    spare_properties: Numbers,
    out: Counts,
) -> None:
    """Count what a line has that is not blank."""
    describe_line(points, properties, start, end, out[_ENDS : _ENDS + 4])
    if out[_SQUARE]:
        end = without_citations(points, properties, start, end, spare_points, spare_properties)
        points, properties = spare_points, spare_properties
        start, end = strip(properties, 0, end)
    if is_kept(points, properties, start, end):
        out[_C4] += 1
        out[_C4 + 1] += count_sentences(points, properties, start, end)


@kernel
def _measure_lines(
    n: int, scratch: Scratch, spare: tuple[Numbers, Numbers], out: Counts
) -> tuple[Int, Int]:
    """Count the lines' properties, write the hashes and lengths of lines and paragraphs."""
    points, properties, _, lengths, hashes, run_lengths, run_hashes, _ = scratch
    lines = 0
    paragraphs: Int = 0
    at: Int = 0
    was_blank = True
    while at <= n:
        stop = line_end(properties, at, n)
        start, end = strip(properties, at, stop)
        if start < end:
            _measure_line(points, properties, start, end, spare[0], spare[1], out)
            hashes[lines], lengths[lines] = hash_of(points, start, end), end - start
            paragraphs = add_line(
                hashes[lines], end - start, paragraphs, run_hashes, run_lengths, was_blank
            )
            lines += 1
        was_blank = start == end
        out[_BREAKS] += stop < n
        out[_BREAKS + 1] += stop - at + (stop < n)
        at = after_end(properties, stop, n) if stop < n else n + 1
    out[_LINES], out[_PARAGRAPHS] = lines, paragraphs
    return lines, paragraphs


@kernel
def _stop_word(points: Numbers, start: int, end: int) -> int:
    """The stop word's bit; 0 for any other word."""
    code: Int = 0
    for at in range(start, end):
        point = lower(np.int64(points[at]))
        if point > 0x7F:
            return 0
        code = code << 8 | point
    for number in range(len(_STOP_CODES)):
        if code == _STOP_CODES[number]:
            return 1 << number
    return 0


@kernel
def _measure_words(
    points: Numbers,
    properties: Numbers,
    starts: Places,
    ends: Places,
    count: int,
    sums: Places,
    out: Counts,
) -> None:
    """Count words, their characters, alphabetic and stop words; write what `cover_grams` needs.

    That is the sums of the lengths, and how many words stand apart in place of where they end.
    """
    stops = alphabetic = total = gaps = 0
    last: Int = starts[0]
    for word in range(count):
        start, end = starts[word], ends[word]
        gaps += start > last
        ends[word], last = gaps, end
        sums[word] = total
        total += end - start
        at = start
        while at < end and not properties[at] & LETTER:
            at += 1
        alphabetic += at < end
        if end - start <= _LONGEST_STOP_WORD:
            stops |= _stop_word(points, start, end)
    sums[count] = total
    out[0], out[1], out[2] = count, total, alphabetic
    for number in range(len(_STOP_CODES)):
        out[3] += stops >> number & 1


@kernel
def _count(values: Bytes, offsets: Offsets, index: Index, blocks: Blocks, out: Counts) -> None:
    """Write a row of COUNTS for each document."""
    most = longest(offsets)
    scratch = _make_scratch(most + 2)
    points, properties, starts, ends, hashes, sums, grams, places = scratch
    spare = (np.empty(most + 2, np.uint32), np.empty(most + 2, np.uint32))
    table = make_table(64)
    stamp = 1
    for document in range(len(out)):
        row = out[document]
        row[:] = 0
        start, end = offsets[document], offsets[document + 1]
        n = decode(values, start, end, index, blocks, points, properties)
        count_marks(points, properties, n, row[_MARKS : _MARKS + 5])
        lines, paragraphs = _measure_lines(n, scratch, spare, row)
        table = _roomy(table, max(lines, paragraphs))
        row[_LINES + 1], row[_LINES + 2] = count_repeats(hashes, ends, lines, table, stamp)
        row[_PARAGRAPHS + 1], row[_PARAGRAPHS + 2] = count_repeats(
            grams, sums, paragraphs, table, stamp + 1
        )
        words = find_words(points, properties, n, starts, ends, hashes)
        _measure_words(points, properties, starts, ends, words, sums, row[_WORDS : _WORDS + 4])
        table = _roomy(table, words)
        out_grams = row[_GRAMS : _GRAMS + 9]
        cover_grams(hashes, words, sums, ends, grams, places, starts, table, stamp, out_grams)
        stamp += _STAMPS


@kernel
def _roomy(table: Table, count: Int) -> Table:
    """The table, or a larger one; its first stamp is 0, which nobody asks for."""
    slots = slots_for(count)
    return table if slots <= len(table[0]) else make_table(slots)


def _run(values: Bytes, offsets: Offsets) -> Counts:
    known = properties()
    out = np.empty((len(offsets) - 1, len(COUNTS)), np.int64)
    _count(values, offsets, known.index, known.blocks, out)
    return out


def measure(values: npt.NDArray[np.uint8], offsets: npt.NDArray[np.integer]) -> dict[str, Column]:
    """All measures of each document, columns by name.

    `values` is the UTF-8 of all documents, of which number i has those from offsets[i] to
    offsets[i + 1].
    """
    example = frozen(np.frombuffer(b"one", np.uint8), np.array([0, 3]))
    warm("signals", lambda: _run(*example))
    return measures(_run(*frozen(values, offsets)))
