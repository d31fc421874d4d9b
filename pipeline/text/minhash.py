"""MinHash (Broder 1997): short signatures that agree as often as the sets of shingles are alike.

Signatures and the hashes of their bands come from the text in one pass.
"""

import numpy as np
import numpy.typing as npt

from pipeline.text.decoding import Bytes, Offsets, frozen, longest
from pipeline.text.folding import normalise
from pipeline.text.hashing import SEED, extend, mix
from pipeline.text.kernels import kernel, warm
from pipeline.text.shingles import (
    EXAMPLE,
    Shingling,
    Tables,
    document_shingles,
    make_scratch,
    tables,
)
from pipeline.text.words import Hashes

Signatures = npt.NDArray[np.uint32]
EMPTY = np.uint32(0xFFFFFFFF)
"""Every value in the signature of a document without shingles."""
RECALL = 0.99
"""A pair at the threshold becomes a candidate at least this often."""


def bands_and_rows(threshold: float) -> tuple[int, int]:
    """The fewest bands, and the rows of each, by which a pair at the threshold is found.

    P(candidate) = 1 - (1 - threshold ** rows) ** bands (Leskovec et al., Mining of Massive
    Datasets, 3.4.2).
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold: {threshold} is not above 0 and at most 1")
    rows = 5 if threshold < 0.75 else 6 if threshold < 0.85 else 10
    bands = 1
    while 1 - (1 - threshold**rows) ** bands < RECALL:
        bands += 1
    return bands, rows


def permutations(count: int, seed: int) -> tuple[Signatures, Signatures]:
    """Odd multipliers and summands: of so many permutations of the 32-bit integers."""
    mixed = np.uint64(seed % 2**64) + np.arange(1, 2 * count + 1, dtype=np.uint64) * SEED
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    halves = (mixed >> np.uint64(32)).astype(np.uint32)
    return halves[:count] | np.uint32(1), halves[count:].copy()


@kernel
def _sign(
    values: Bytes,
    offsets: Offsets,
    is_folded: bool,
    ngram: int,
    by_word: bool,
    tables: Tables,
    factors: Signatures,
    summands: Signatures,
    out: Signatures,
    counts: npt.NDArray[np.int64],
) -> None:
    """Write each document's signature and the number of its n-grams; -1 for one left out."""
    scratch = make_scratch(longest(offsets))
    hashes = scratch[4]
    for document in range(len(counts)):
        start, end = offsets[document], offsets[document + 1]
        count = document_shingles(values, start, end, is_folded, ngram, by_word, tables, scratch)
        counts[document] = count
        signature = out[document]
        signature[:] = EMPTY
        for i in range(count):
            shingle = np.uint32(hashes[i] >> np.uint64(32))
            for k in range(len(factors)):
                value = np.uint32(shingle * factors[k] + summands[k])
                signature[k] = min(signature[k], value)


@kernel
def _band(signatures: Signatures, rows: int, out: Hashes) -> None:
    for document in range(len(out)):
        for band in range(out.shape[1]):
            value = SEED
            for k in range(band * rows, (band + 1) * rows):
                value = extend(value, signatures[document, k])
            out[document, band] = mix(value)


def _run(
    values: Bytes, offsets: Offsets, is_folded: bool, shingling: Shingling, count: int, seed: int
) -> tuple[Signatures, npt.NDArray[np.int64]]:
    out = np.empty((len(offsets) - 1, count), np.uint32)
    counts = np.empty(len(out), np.int64)
    by_word = shingling.unit == "word"
    _sign(
        *(values, offsets, is_folded, shingling.ngram, by_word, tables()),
        *(*permutations(count, seed), out, counts),
    )
    left = np.flatnonzero(counts < 0)
    if len(left):
        out[left], counts[left] = _run(
            *normalise(values, offsets, left), True, shingling, count, seed
        )
    return out, counts


def signatures(
    values: Bytes, offsets: npt.NDArray[np.integer], shingling: Shingling, count: int, seed: int
) -> tuple[Signatures, npt.NDArray[np.int64]]:
    """Each document's signature of `count` minima, and how many n-grams it has, 0 without words.

    `values` is the UTF-8 of all documents, of which number i has those from offsets[i] to
    offsets[i + 1]. The share of equal minima of two signatures estimates the Jaccard similarity of
    the sets of shingles.
    """
    warm("minhash", _compile)
    return _run(*frozen(values, offsets), False, shingling, count, seed)


def band_hashes(
    values: Bytes,
    offsets: npt.NDArray[np.integer],
    shingling: Shingling,
    bands: int,
    rows: int,
    seed: int,
) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """A hash of each band of each document's signature, and how many n-grams the document has.

    Two documents are candidates where a band of one equals the same band of the other, and neither
    has 0 n-grams.
    """
    signed, counts = signatures(values, offsets, shingling, bands * rows, seed)
    out = np.empty((len(signed), bands), np.uint64)
    _band(signed, rows, out)
    return out, counts


def _compile() -> None:
    signed, _ = _run(*EXAMPLE, False, Shingling(), 2, 0)
    _band(signed, 1, np.empty((1, 2), np.uint64))
