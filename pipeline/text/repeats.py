"""What comes more than once in a document: lines, paragraphs, n-grams of words.

Equal hashes of 64 bits stand for equal texts. One open table serves all: an entry holds where its
stamp is that of the question being asked, so that nothing is ever cleared.
"""

import numpy as np
import numpy.typing as npt

from pipeline.text.hashing import SEED, extend
from pipeline.text.kernels import Int, kernel
from pipeline.text.words import Hashes, Places

Table = tuple[Hashes, Places, Places, Places, Places]
"""By slot: the hash, its stamp, how often it came, where its last n-gram ends, what it covers."""
TOP = (2, 3, 4)
DUPLICATED = (5, 6, 7, 8, 9, 10)
"""Lengths of n-grams in Gopher's rules (Rae et al. 2021, appendix A.1)."""


@kernel
def make_table(slots: int) -> Table:
    """An empty table of a power of two of slots."""
    return (
        np.empty(slots, np.uint64),
        np.zeros(slots, np.int64),
        np.empty(slots, np.int64),
        np.empty(slots, np.int64),
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
    keys, stamps, counts, _, _ = table
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
def _count_grams(
    grams: Hashes, places: Places, count: int, slots: Places, table: Table, stamp: int
) -> int:
    """Write the slot of each n-gram; how often the most frequent one comes."""
    mask = slots_for(count) - 1
    most = 0
    for i in range(count):
        slots[i] = take(table, mask, stamp, grams[places[i]])
        most = max(most, table[2][slots[i]])
        table[3][slots[i]] = table[4][slots[i]] = 0
    return most


@kernel
def _cover_top(
    places: Places, count: int, slots: Places, table: Table, most: int, sums: Places, n: int
) -> int:
    """Characters in the occurrences of an n-gram that comes `most` often; the most of ties."""
    _, _, counts, ends, covered = table
    best = 0
    for i in range(count):
        slot = slots[i]
        if counts[slot] == most:
            start = max(places[i], ends[slot])
            ends[slot] = places[i] + n
            covered[slot] += sums[ends[slot]] - sums[start]
            best = max(best, covered[slot])
    return best


@kernel
def _cover_again(
    places: Places, count: int, slots: Places, table: Table, sums: Places, n: int
) -> int:
    """Characters in n-grams that have come before, each once."""
    ends = table[3]
    covered = end = 0
    for i in range(count):
        if ends[slots[i]]:
            start = max(places[i], end)
            end = places[i] + n
            covered += sums[end] - sums[start]
        ends[slots[i]] = 1
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
    grams: Hashes,
    places: Places,
    slots: Places,
    table: Table,
    stamp: int,
    out: npt.NDArray[np.int64],
) -> None:
    """Write the characters in top n-grams, then those in duplicated ones, for each length.

    `sums` are those of the lengths of the words before each; `grams`, `places` and `slots` are room
    for as many. Stamps from `stamp` on are used, one for each length.
    """
    count = max(words - 1, 0)
    for place in range(count):
        places[place] = place
        grams[place] = extend(extend(SEED, hashes[place]), hashes[place + 1])
    for n in range(2, 11):
        most = _count_grams(grams, places, count, slots, table, stamp + n)
        if n <= 4:
            top = _cover_top(places, count, slots, table, most, sums, n) if most > 1 else 0
            out[n - 2] = top
        else:
            out[n - 2] = _cover_again(places, count, slots, table, sums, n)
        count = _keep_repeated(grams, hashes, places, count, slots, table[2], words, n)
