"""Shingles: the n-grams, as hashes, by which documents are held to be alike.

A word shingle is n words in a row after NFKC and casefold, a character shingle n characters in a
row, white space counting once. A shorter document is one shingle, one without any word has none.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.text.characters import SPACE, properties
from pipeline.text.decoding import Blocks, Bytes, Index, Numbers, Offsets, decode, frozen, longest
from pipeline.text.folding import SLACK, FoldTables, fold, folds, normalise
from pipeline.text.hashing import SEED, extend, mix
from pipeline.text.kernels import kernel, warm
from pipeline.text.words import Hashes, Places, find_words

Unit = Literal["word", "char"]
Tables = tuple[Index, Blocks, FoldTables]
Scratch = tuple[Numbers, Numbers, Places, Places, Hashes]


@dataclass(frozen=True)
class Shingling:
    """What the shingles of a document are."""

    ngram: int = 5
    unit: Unit = "word"

    def __post_init__(self) -> None:
        if self.ngram < 1:
            raise ValueError(f"ngram: {self.ngram} is not positive")
        if self.unit not in ("word", "char"):
            raise ValueError(f"shingle: {self.unit} is neither word nor char")


EXAMPLE = frozen(np.frombuffer(b"one two", np.uint8), np.array([0, 7]))
"""What kernels are compiled for."""


def tables() -> Tables:
    """What characters are, and what they become."""
    known = properties()
    return known.index, known.blocks, folds()


@kernel
def make_scratch(most: int) -> Scratch:
    """Room for the characters and shingles of a document of so many bytes."""
    size = most + SLACK
    return (
        np.empty(size, np.uint32),
        np.empty(size, np.uint32),
        np.empty(size, np.int64),
        np.empty(size, np.int64),
        np.empty(size, np.uint64),
    )


@kernel
def read_folded(
    values: Bytes, start: int, end: int, is_folded: bool, tables: Tables, scratch: Scratch
) -> int:
    """Write a document's characters after NFKC and casefold, and their properties; how many.

    -1 for a document that has to be normalised first.
    """
    index, blocks, folds = tables
    points, properties = scratch[0], scratch[1]
    if is_folded:
        return decode(values, start, end, index, blocks, points, properties)
    n = fold(values, start, end, folds, points)
    for i in range(n):
        point = np.int64(points[i])
        properties[i] = blocks[index[point >> 7], point & 127]
    return n


@kernel
def document_shingles(
    values: Bytes,
    start: int,
    end: int,
    is_folded: bool,
    ngram: int,
    by_word: bool,
    tables: Tables,
    scratch: Scratch,
) -> int:
    """Write a document's shingles into the last of `scratch`, in order of the text; how many.

    -1 for a document that has to be normalised first.
    """
    n = read_folded(values, start, end, is_folded, tables, scratch)
    if n < 0:
        return -1
    points, properties, starts, ends, hashes = scratch
    if by_word:
        count = find_words(points, properties, n, starts, ends, hashes)
    else:
        count = _find_characters(points, properties, n, hashes)
    return _join(hashes, count, ngram)


@kernel
def _find_characters(points: Numbers, properties: Numbers, n: int, hashes: Hashes) -> int:
    count = 0
    was_space = True
    for i in range(n):
        is_space = properties[i] & SPACE != 0
        if not (is_space and was_space):
            hashes[count] = 32 if is_space else points[i]
            count += 1
        was_space = is_space
    return count - 1 if count and was_space else count


@kernel
def _join(hashes: Hashes, count: int, ngram: int) -> int:
    """Replace the items' hashes by those of the n-grams that begin with them."""
    if not count:
        return 0
    length = min(ngram, count)
    for i in range(count - length + 1):
        value = SEED
        for k in range(length):
            value = extend(value, hashes[i + k])
        hashes[i] = mix(value)
    return count - length + 1


@kernel
def _all_shingles(
    values: Bytes,
    offsets: Offsets,
    is_folded: bool,
    ngram: int,
    by_word: bool,
    tables: Tables,
    counts: Places,
    out: Hashes,
) -> None:
    """Write the documents' shingles, one after the other; a count of -1 is a document left out."""
    scratch = make_scratch(longest(offsets))
    written = 0
    for document in range(len(counts)):
        start, end = offsets[document], offsets[document + 1]
        count = document_shingles(values, start, end, is_folded, ngram, by_word, tables, scratch)
        counts[document] = count
        for i in range(count):
            out[written + i] = scratch[4][i]
        written += max(count, 0)


def _run(values: Bytes, offsets: Offsets, is_folded: bool, shingling: Shingling) -> list[Hashes]:
    counts = np.empty(len(offsets) - 1, np.int64)
    size = int(offsets[-1] - offsets[0]) + SLACK * len(counts)
    out = np.empty(size, np.uint64)
    by_word = shingling.unit == "word"
    _all_shingles(values, offsets, is_folded, shingling.ngram, by_word, tables(), counts, out)
    found = np.split(out, np.cumsum(np.maximum(counts, 0)))[:-1]
    left = np.flatnonzero(counts < 0)
    if len(left):
        normal = _run(*normalise(values, offsets, left), True, shingling)
        for row, hashes in zip(left, normal, strict=True):
            found[row] = hashes
    return found


def shingle_sets(
    values: Bytes, offsets: npt.NDArray[np.integer], shingling: Shingling
) -> tuple[Hashes, Offsets]:
    """The set of each document's shingles, in order; where each begins, and the end of the last.

    `values` is the UTF-8 of all documents, of which number i has those from offsets[i] to
    offsets[i + 1].
    """
    warm("shingles", lambda: _run(*EXAMPLE, False, Shingling()))
    sets = [np.unique(hashes) for hashes in _run(*frozen(values, offsets), False, shingling)]
    ends = np.cumsum([0, *map(len, sets)], dtype=np.int64)
    return (np.concatenate(sets) if sets else np.empty(0, np.uint64)), ends


@kernel
def _jaccard(left: Hashes, right: Hashes) -> float:
    i = j = both = 0
    while i < len(left) and j < len(right):
        if left[i] == right[j]:
            both += 1
            i += 1
            j += 1
        elif left[i] < right[j]:
            i += 1
        else:
            j += 1
    either = len(left) + len(right) - both
    return both / either if either else 0.0


@kernel
def _compare(
    hashes: Hashes, offsets: Places, left: Places, right: Places, out: npt.NDArray[np.float64]
) -> None:
    for pair in range(len(out)):
        a, b = left[pair], right[pair]
        one, other = hashes[offsets[a] : offsets[a + 1]], hashes[offsets[b] : offsets[b + 1]]
        out[pair] = _jaccard(one, other)


def jaccard(left: Hashes, right: Hashes) -> float:
    """The share of the shingles in either set that are in both; 0 of two empty sets."""
    one, other = _read_only(left), _read_only(right)
    warm("jaccard", lambda: _jaccard(one, other))
    return _jaccard(one, other)


def jaccards(
    hashes: Hashes,
    offsets: Places,
    left: Places,
    right: Places,
    out: npt.NDArray[np.float64],
) -> None:
    """Write each pair's similarity: of documents by their numbers in what `shingle_sets` gives."""
    sets, ends = _read_only(hashes), _read_only(offsets)
    one, other = _read_only(left), _read_only(right)
    warm("jaccards", lambda: _compare(sets, ends, one, other, out[:0]))
    _compare(sets, ends, one, other, out)


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
