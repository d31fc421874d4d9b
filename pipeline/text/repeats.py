"""What comes more than once in a document: lines, paragraphs, n-grams of words.

Equal hashes of 64 bits stand for equal texts. One open table serves all: an entry holds where its
stamp is that of the question being asked, so that nothing is ever cleared.
"""

import numpy as np
import numpy.typing as npt

from pipeline.text.hashing import SEED, extend
from pipeline.text.kernels import Int, kernel
from pipeline.text.words import Hashes, Places

Table = tuple[Hashes, Places, Places]
"""By slot: the hash, its stamp, how often it came."""
TOP, LONGEST = 4, 10
"""Of n-grams up to TOP words the most frequent counts, of longer ones those that come again."""


@kernel
def make_table(slots: int) -> Table:
    """An empty table of a power of two of slots."""
    return (
        np.empty(slots, np.uint64),
        np.zeros(slots, np.int64),
        np.empty(slots, np.int64),
    )


@kernel
def slots_for(count: Int) -> int:
    """A table's size that leaves half of it empty."""
    slots = 64
    while slots < 2 * count:
        slots *= 2
    return slots


@kernel
def take(table: Table, mask: int, stamp: int, key: np.uint64) -> Int:
    """The slot of a hash, which has come once more."""
    keys, stamps, counts = table
    slot = np.int64(key & np.uint64(mask))
    while stamps[slot] == stamp:
        if keys[slot] == key:
            counts[slot] += 1
            return slot
        slot = (slot + 1) & mask
    stamps[slot], keys[slot], counts[slot] = stamp, key, 1
    return slot


@kernel
def count_repeats(
    hashes: Hashes, lengths: Places, count: Int, table: Table, stamp: int
) -> tuple[int, int]:
    """How many pieces have come before, and the characters in those."""
    mask = slots_for(count) - 1
    pieces = characters = 0
    for i in range(count):
        if table[2][take(table, mask, stamp, hashes[i])] > 1:
            pieces += 1
            characters += lengths[i]
    return pieces, characters


@kernel
def _cover_top(
    grams: Hashes,
    places: Places,
    count: int,
    slots: Places,
    table: Table,
    stamp: int,
    words: int,
    sums: Places,
    gaps: Places,
    n: int,
) -> int:
    """Characters in the occurrences of the most frequent n-gram, with its gaps, each once.

    Of n-grams as frequent it is the first. Where only those of repeated beginnings are at hand and
    none of them comes twice, that is the text's first.
    """
    mask = slots_for(count) - 1
    most = 1
    for i in range(count):
        slots[i] = take(table, mask, stamp, grams[places[i]])
        most = max(most, table[2][slots[i]])
    if most == 1:
        return sums[n] + gaps[n - 1] if words >= n else 0
    top: Int = -1
    covered = end = 0
    for i in range(count):
        if top < 0 and table[2][slots[i]] == most:
            top = slots[i]
        if slots[i] == top:
            start = max(places[i], end)
            end = places[i] + n
            covered += sums[end] - sums[start]
            covered += gaps[end - 1] - gaps[max(start - 1, places[i])]
    return covered


@kernel
def _cover_again(
    grams: Hashes,
    places: Places,
    count: int,
    slots: Places,
    table: Table,
    stamp: int,
    sums: Places,
    n: int,
) -> int:
    """Characters of the words in n-grams that have come before, each once."""
    mask = slots_for(count) - 1
    covered = end = 0
    for i in range(count):
        slots[i] = take(table, mask, stamp, grams[places[i]])
        if table[2][slots[i]] > 1:
            start = max(places[i], end)
            end = places[i] + n
            covered += sums[end] - sums[start]
    return covered


@kernel
def _keep_repeated(
    grams: Hashes,
    hashes: Hashes,
    places: Places,
    count: int,
    slots: Places,
    counts: Places,
    words: int,
    n: int,
) -> int:
    """Only where an n-gram comes twice can one of n + 1 words: keep those places, a word longer."""
    kept = 0
    for i in range(count):
        place = places[i]
        if counts[slots[i]] > 1 and place + n < words:
            grams[place] = extend(grams[place], hashes[place + n])
            places[kept] = place
            kept += 1
    return kept


@kernel
def cover_grams(
    hashes: Hashes,
    words: int,
    sums: Places,
    gaps: Places,
    grams: Hashes,
    places: Places,
    slots: Places,
    table: Table,
    stamp: int,
    out: npt.NDArray[np.int64],
) -> None:
    """Write the characters in top n-grams, then those in duplicated ones, for each length.

    `sums` are those of the lengths of the words before each, `gaps` count how many of the words up
    to each stand apart from the one before; `grams`, `places` and `slots` are room for as many.
    Stamps from `stamp` on are used, one for each length.
    """
    count = max(words - 1, 0)
    for place in range(count):
        places[place] = place
        grams[place] = extend(extend(SEED, hashes[place]), hashes[place + 1])
    for n in range(2, LONGEST + 1):
        if n <= TOP:
            out[n - 2] = _cover_top(
                grams, places, count, slots, table, stamp + n, words, sums, gaps, n
            )
        else:
            out[n - 2] = _cover_again(grams, places, count, slots, table, stamp + n, sums, n)
        count = _keep_repeated(grams, hashes, places, count, slots, table[2], words, n)
