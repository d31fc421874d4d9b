"""Bags of hashed n-grams (Weinberger et al. 2009), by which texts are weighed against each other.

The n-grams of 1, 2, .. words in a row after NFKC and casefold fall in buckets. The hash of an
n-gram is that of a shingle of so many words; its upper 32 bits, as a share of 2 ** 32, choose the
bucket.
"""

import numpy as np
import numpy.typing as npt

from pipeline.text.decoding import Bytes, Offsets, frozen, longest
from pipeline.text.folding import normalise
from pipeline.text.hashing import SEED, extend, mix
from pipeline.text.kernels import kernel, warm
from pipeline.text.shingles import EXAMPLE, Scratch, Tables, make_scratch, read_folded, tables
from pipeline.text.words import Hashes, find_words

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@kernel
def _words(
    values: Bytes, start: int, end: int, is_folded: bool, tables: Tables, scratch: Scratch
) -> int:
    """Write the hashes of a document's words into the last of `scratch`; how many there are.

    -1 for a document that has to be normalised first.
    """
    n = read_folded(values, start, end, is_folded, tables, scratch)
    if n < 0:
        return -1
    points, properties, starts, ends, hashes = scratch
    return find_words(points, properties, n, starts, ends, hashes)


@kernel
def _buckets(hashes: Hashes, words: int, at: int, ngram: int, buckets: int, out: Counts) -> int:
    """Write the buckets of the n-grams that begin with a word, the shortest first; how many."""
    length = min(ngram, words - at)
    value = SEED
    for k in range(length):
        value = extend(value, hashes[at + k])
        out[k] = ((mix(value) >> np.uint64(32)) * np.uint64(buckets)) >> np.uint64(32)
    return length


@kernel
def _count(
    values: Bytes,
    offsets: Offsets,
    is_folded: bool,
    ngram: int,
    tables: Tables,
    totals: Counts,
    words: Counts,
) -> None:
    """Add each document's n-grams to `totals`; -1 words for a document that is left out."""
    scratch = make_scratch(longest(offsets))
    found = np.empty(ngram, np.int64)
    for document in range(len(words)):
        start, end = offsets[document], offsets[document + 1]
        count = _words(values, start, end, is_folded, tables, scratch)
        words[document] = count
        for at in range(count):
            for k in range(_buckets(scratch[4], count, at, ngram, len(totals), found)):
                totals[found[k]] += 1


@kernel
def _weigh(
    values: Bytes,
    offsets: Offsets,
    is_folded: bool,
    ngram: int,
    tables: Tables,
    weights: Floats,
    sums: Floats,
    words: Counts,
) -> None:
    """Add up the weights of each document's n-grams, in the order of the text."""
    scratch = make_scratch(longest(offsets))
    found = np.empty(ngram, np.int64)
    for document in range(len(words)):
        start, end = offsets[document], offsets[document + 1]
        count = _words(values, start, end, is_folded, tables, scratch)
        words[document] = count
        total = 0.0
        for at in range(count):
            for k in range(_buckets(scratch[4], count, at, ngram, len(weights), found)):
                total += weights[found[k]]
        sums[document] = total


def count_ngrams(
    values: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.integer],
    ngram: int,
    totals: Counts,
) -> Counts:
    """Add all n-grams of the documents to `totals`, one number a bucket; the words of each.

    `values` is the UTF-8 of all documents, of which number i has those from offsets[i] to
    offsets[i + 1].
    """
    warm("ngrams count", lambda: _counted(*EXAMPLE, False, 1, np.zeros(1, np.int64)))
    return _counted(*frozen(values, offsets), False, ngram, totals)


def _counted(
    values: Bytes, offsets: Offsets, is_folded: bool, ngram: int, totals: Counts
) -> Counts:
    words = np.empty(len(offsets) - 1, np.int64)
    _count(values, offsets, is_folded, ngram, tables(), totals, words)
    left = np.flatnonzero(words < 0)
    if len(left):
        words[left] = _counted(*normalise(values, offsets, left), True, ngram, totals)
    return words


def weigh_ngrams(
    values: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.integer],
    ngram: int,
    weights: Floats,
) -> tuple[Floats, Counts]:
    """The sum of the weights of each document's n-grams, by bucket, and how many words it has."""
    warm("ngrams weigh", lambda: _weighed(*EXAMPLE, False, 1, np.zeros(1)))
    return _weighed(*frozen(values, offsets), False, ngram, weights)


def _weighed(
    values: Bytes, offsets: Offsets, is_folded: bool, ngram: int, weights: Floats
) -> tuple[Floats, Counts]:
    sums = np.empty(len(offsets) - 1)
    words = np.empty(len(sums), np.int64)
    _weigh(values, offsets, is_folded, ngram, tables(), weights, sums, words)
    left = np.flatnonzero(words < 0)
    if len(left):
        normal = normalise(values, offsets, left)
        sums[left], words[left] = _weighed(*normal, True, ngram, weights)
    return sums, words


def ngrams_of(words: Counts, ngram: int) -> Counts:
    """How many n-grams of up to `ngram` words so many words have."""
    found = np.zeros(len(words), np.int64)
    for length in range(1, ngram + 1):
        found += np.maximum(words - length + 1, 0)
    return found
