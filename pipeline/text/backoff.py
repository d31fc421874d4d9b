"""N-gram language models with backoff (Katz 1987): a packed table, and the score of many texts.

An n-gram is found by the hash of its words from the last to the first, so that each look-up goes
one word further back. KenLM (Heafield 2011) finds them alike.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.text.decoding import Bytes, Offsets
from pipeline.text.hashing import SEED, absorb, extend, mix
from pipeline.text.kernels import Int, kernel

Slots = npt.NDArray[np.uint64]
"""Two numbers a slot: a hash, 0 where the slot is free, and what it stands for."""
Weights = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int32]

UNKNOWN = 0
"""The id of every word that the model does not have."""
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_NONE = np.uint64(0)


@dataclass(frozen=True)
class NgramModel:
    """log10 probabilities and backoff weights of words given so many words before them."""

    order: int
    begin: int
    """The id of <s>."""
    end: int
    """The id of </s>."""
    words: Slots
    """By a word's hash its id."""
    ngrams: Slots
    """By an n-gram's hash its log10 probability, not a number where it has none, and weight."""
    unigrams: Weights
    """By a word's id its log10 probability and backoff weight."""


@dataclass(frozen=True)
class Scores:
    """By text: what an n-gram model made of it."""

    log10: npt.NDArray[np.float64]
    """The sum over its tokens and ends of sentences."""
    tokens: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.int64]
    sentences: npt.NDArray[np.int64]


@kernel
def hash_bytes(values: Bytes, start: Int, end: Int) -> np.uint64:
    """Never 0."""
    value = SEED
    for at in range(start, end):
        value = absorb(value, np.uint64(values[at]))
    return mix(value) | _ONE


@kernel
def lengthen(key: np.uint64, word: Int) -> np.uint64:
    """The hash of an n-gram with one more word before it; never 0."""
    return extend(key, np.uint64(word)) | _ONE


@kernel
def find(slots: Slots, key: np.uint64) -> Int:
    """The place of a hash, or of the free slot where it would be put, less than 0: -1 - place."""
    size = np.uint64(len(slots))
    at: Int = np.int64(((key >> _HALF) * size) >> _HALF)
    while True:
        held = slots[at, 0]
        if held == key:
            return at
        if held == _NONE:
            return -1 - at
        at += 1
        if at == len(slots):
            at = 0


@kernel
def word_ids(
    values: Bytes, offsets: Offsets, by_line: bool, words: Slots, begin: Int, end: Int
) -> tuple[Ids, npt.NDArray[np.int64]]:
    """The words of each text, those between ASCII white space, and `end` after each sentence.

    <s>, </s> and <unk> in a text are words that the model does not have.
    """
    size = offsets[len(offsets) - 1] - offsets[0]
    ids = np.empty(size + len(offsets), np.int32)
    ends = np.zeros(len(offsets), np.int64)
    n = 0
    for row in range(len(offsets) - 1):
        at, last = np.int64(offsets[row]), np.int64(offsets[row + 1])
        sentence = n
        while at <= last:
            byte = np.int64(values[at]) if at < last else 10
            if byte == 32 or 9 <= byte <= 13:
                if n > sentence and (at == last or (by_line and byte == 10)):
                    ids[n] = end
                    n += 1
                    sentence = n
                at += 1
                continue
            start = at
            while at < last and values[at] != 32 and not 9 <= values[at] <= 13:
                at += 1
            place = find(words, hash_bytes(values, start, at))
            word = np.int64(words[place, 1]) if place >= 0 else UNKNOWN
            ids[n] = UNKNOWN if word in (begin, end) else word
            n += 1
        ends[row + 1] = n
    return ids[:n], ends


@kernel
def score_ids(
    ids: Ids, ends: Offsets, order: Int, begin: Int, end: Int, ngrams: Slots, unigrams: Weights
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """By text the sum of log10 p of all ids; tokens, unknown ones, and sentences."""
    sums = np.zeros(len(ends) - 1, np.float64)
    counts = np.zeros((len(ends) - 1, 3), np.int64)
    values = ngrams.view(np.float32)
    # Weights of the contexts that end at the word before, and of those that end at this one.
    weights = np.zeros((2, order + 1), np.float32)
    for row in range(len(ends) - 1):
        known, sentence, turn = min(1, order - 1), ends[row], 0
        weights[0, 1] = unigrams[begin, 1]
        for i in range(ends[row], ends[row + 1]):
            word = np.int64(ids[i])
            best, longest = 1, 1
            probability = np.float64(unigrams[word, 0])
            weights[1 - turn, 1] = unigrams[word, 1]
            key = lengthen(SEED, word)
            for n in range(2, known + 2):
                before = i - n + 1
                key = lengthen(key, np.int64(ids[before]) if before >= sentence else begin)
                at = find(ngrams, key)
                if at < 0:
                    break
                longest = n
                weights[1 - turn, n] = values[at, 3]
                if values[at, 2] <= 0:
                    best, probability = n, np.float64(values[at, 2])
            for n in range(best, known + 1):
                probability += weights[turn, n]
            sums[row] += probability
            turn = 1 - turn
            known = min(longest, order - 1)
            if word == end:
                counts[row, 2] += 1
                known, sentence = min(1, order - 1), i + 1
                weights[turn, 1] = unigrams[begin, 1]
            else:
                counts[row, 0] += 1
                counts[row, 1] += word == UNKNOWN
    return sums, counts


def score(model: NgramModel, ids: Ids, ends: Offsets) -> Scores:
    """Each text's sum and counts; a text's ids begin where those of the one before end."""
    sums, counts = score_ids(
        ids, ends, model.order, model.begin, model.end, model.ngrams, model.unigrams
    )
    return Scores(sums, counts[:, 0], counts[:, 1], counts[:, 2])
