"""The entries of an ARPA file, read into the tables of an n-gram model."""

import numpy as np

from pipeline.text.backoff import UNKNOWN, Ids, Slots, Weights, find, hash_bytes, lengthen
from pipeline.text.decoding import Bytes
from pipeline.text.hashing import SEED
from pipeline.text.kernels import Int, kernel

FINE, CUT, NUMBER, POSITIVE, FIELDS, FOREIGN, REPEATED, ENDED, FULL = range(9)
"""What came of a section: all entries read, or what is wrong in the line at the place."""

_TAB, _LINE, _RETURN, _SPACE, _BACKSLASH = 9, 10, 13, 32, 92
_FILL = 0.85
"""Above this share of taken slots look-ups become slow."""


@kernel
def skip_blank(data: Bytes, at: Int) -> Int:
    """Where the next field of the line begins, or the line's end."""
    while at < len(data) and (data[at] == _SPACE or data[at] == _TAB or data[at] == _RETURN):
        at += 1
    return at


@kernel
def skip_field(data: Bytes, at: Int) -> Int:
    """Where a field ends."""
    while at < len(data) and data[at] != _SPACE and not 9 <= data[at] <= 13:
        at += 1
    return at


@kernel
def number(data: Bytes, at: Int, end: Int) -> float:
    """A decimal number; not a number where it is none."""
    negative = at < end and data[at] == 45
    if at < end and (data[at] == 45 or data[at] == 43):
        at += 1
    digits, places, value = 0, 0, 0.0
    point = False
    while at < end:
        if data[at] == 46 and not point:
            point = True
        elif 48 <= data[at] <= 57:
            value = value * 10.0 + (float(data[at]) - 48.0)
            digits += 1
            places += point
        else:
            break
        at += 1
    if digits == 0:
        return np.nan
    power: Int = 0
    if at + 1 < end and (data[at] == 101 or data[at] == 69):
        at += 1
        down = data[at] == 45
        at += data[at] == 45 or data[at] == 43
        if at == end:
            return np.nan
        while at < end and 48 <= data[at] <= 57 and power < 1000:
            power = power * 10 + np.int64(data[at]) - 48
            at += 1
        power = -power if down else power
    if at < end:
        return np.nan
    power -= places
    value = value / 10.0**-power if power < 0 else value * 10.0**power
    return -value if negative else value


@kernel
def read_words(
    data: Bytes, at: Int, count: Int, words: Slots, unigrams: Weights, last: bool
) -> tuple[int, Int]:
    """The section of single words: ids in their order from 1 on, <unk> has 0."""
    fields = np.empty((1, 2), np.int64)
    weights = np.zeros(2, np.float64)
    free = 1
    for _ in range(count):
        code, after = read_line(data, at, 1, fields, weights, last)
        if code != FINE:
            return code, at
        start, end = fields[0, 0], fields[0, 1]
        place = find(words, hash_bytes(data, start, end))
        if place >= 0:
            return REPEATED, at
        unknown = end - start == 5 and is_unknown(data, start)
        if unknown and unigrams[UNKNOWN, 0] != -100:
            return REPEATED, at
        if not unknown and free == len(unigrams):
            return FULL, at
        word = UNKNOWN if unknown else free
        free += not unknown
        words[-1 - place, 0] = hash_bytes(data, start, end)
        words[-1 - place, 1] = np.uint64(word)
        unigrams[word, 0], unigrams[word, 1] = weights[0], weights[1]
        at = after
    return FINE, at


@kernel
def is_unknown(data: Bytes, at: Int) -> bool:
    """Whether it is <unk> or <UNK> that stands there."""
    lower = data[at + 1] == 117 and data[at + 2] == 110 and data[at + 3] == 107
    upper = data[at + 1] == 85 and data[at + 2] == 78 and data[at + 3] == 75
    return bool(data[at] == 60 and data[at + 4] == 62 and (lower or upper))


@kernel
def read_line(
    data: Bytes, at: Int, order: Int, fields: np.ndarray, weights: np.ndarray, last: bool
) -> tuple[int, Int]:
    """A line's log10 probability, its words' places and its weight; where the next begins."""
    at = skip_blank(data, at)
    if at < len(data) and (data[at] == _LINE or data[at] == _BACKSLASH):
        return ENDED, at
    end = skip_field(data, at)
    weights[0], weights[1] = number(data, at, end), 0.0
    # A file that is cut in a number leaves a shorter one.
    if end >= len(data):
        return CUT, at
    if np.isnan(weights[0]):
        return NUMBER, at
    if weights[0] > 0:
        return POSITIVE, at
    code, at = read_fields(data, end, order, fields)
    if code != FINE:
        return code, at
    end = skip_field(data, at)
    if end > at and not last:
        weights[1] = number(data, at, end)
        if end < len(data) and np.isnan(weights[1]):
            return NUMBER, at
        at = skip_blank(data, end)
    if at >= len(data):
        return CUT, at
    return (FINE, at + 1) if data[at] == _LINE else (FIELDS, at)


@kernel
def read_fields(data: Bytes, at: Int, order: Int, fields: np.ndarray) -> tuple[int, Int]:
    """The places of a line's words, and where what stands behind them begins."""
    for n in range(order):
        at = skip_blank(data, at)
        end = skip_field(data, at)
        if end >= len(data):
            return CUT, at
        if at == end:
            return FIELDS, at
        fields[n, 0], fields[n, 1] = at, end
        at = end
    return FINE, skip_blank(data, at)


@kernel
def read_ngrams(
    data: Bytes,
    at: Int,
    count: Int,
    order: Int,
    words: Slots,
    ngrams: Slots,
    taken: Int,
    last: bool,
) -> tuple[int, Int, Int]:
    """A section of longer n-grams; where it ends, and how many slots are taken then."""
    fields = np.empty((order, 2), np.int64)
    weights = np.zeros(2, np.float64)
    ids = np.empty(order, np.int32)
    values = ngrams.view(np.float32)
    for _ in range(count):
        code, after = read_line(data, at, order, fields, weights, last)
        if code != FINE:
            return code, at, taken
        for n in range(order):
            place = find(words, hash_bytes(data, fields[n, 0], fields[n, 1]))
            if place < 0:
                return FOREIGN, fields[n, 0], taken
            ids[n] = words[place, 1]
        if taken + order * order >= _FILL * len(ngrams):
            return FULL, at, taken
        taken += close(ids, ngrams, values)
        key = hash_ids(ids, 0, order)
        place = find(ngrams, key)
        if place >= 0:
            return REPEATED, at, taken
        put(ngrams, values, key, -1 - place, weights)
        taken += 1
        at = after
    return FINE, at, taken


@kernel
def hash_ids(ids: Ids, start: Int, end: Int) -> np.uint64:
    """The hash of the n-gram ids[start:end]."""
    key = SEED
    for n in range(end - 1, start - 1, -1):
        key = lengthen(key, np.int64(ids[n]))
    return key


@kernel
def put(ngrams: Slots, values: Weights, key: np.uint64, at: Int, weights: np.ndarray) -> None:
    """Fill a free slot."""
    ngrams[at, 0] = key
    values[at, 2], values[at, 3] = weights[0], weights[1]


@kernel
def close(ids: Ids, ngrams: Slots, values: Weights) -> int:
    """Put in, without a probability, what lies within an n-gram and was pruned; how many they are.

    Look-ups go on only where the shorter n-gram is there.
    """
    order = len(ids)
    if order < 3:
        return 0
    prefix = find(ngrams, hash_ids(ids, 0, order - 1))
    if prefix >= 0 and find(ngrams, hash_ids(ids, 1, order)) >= 0:
        return 0
    added = 0
    for size in range(2, order):
        for start in range(order - size + 1):
            key = hash_ids(ids, start, start + size)
            place = find(ngrams, key)
            if place < 0:
                ngrams[-1 - place, 0] = key
                values[-1 - place, 2], values[-1 - place, 3] = np.nan, 0.0
                added += 1
    return added
