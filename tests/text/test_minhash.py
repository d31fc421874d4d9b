"""Signatures against true Jaccard similarities: bias, variance, and the candidates of the bands."""

import math

import numpy as np
import pytest
from support.batches import buffers

from pipeline.text.minhash import EMPTY, band_hashes, bands_and_rows, permutations, signatures
from pipeline.text.shingles import Shingling

ONE_WORD = Shingling(1)


def pair(alike: float, size: int, salt: int) -> tuple[list[str], float]:
    """Two texts of different words, of which about so many are in both; their true similarity."""
    both = round(alike * size)
    alone = (size - both) // 2
    words = [f"w{salt}x{i}" for i in range(both + 2 * alone)]
    texts = [" ".join(words[: both + alone]), " ".join(words[:both] + words[both + alone :])]
    return texts, both / len(words)


@pytest.mark.parametrize(("alike", "size"), [(0.2, 10), (0.5, 40), (0.8, 40), (0.8, 300)])
def test_the_estimate_is_unbiased_and_its_variance_is_that_of_independent_minima(
    alike: float, size: int
) -> None:
    count, errors = 112, []
    for salt in range(400):
        texts, true = pair(alike, size, salt)
        found, _ = signatures(*buffers(texts), ONE_WORD, count, salt)
        errors.append(float((found[0] == found[1]).mean()) - true)
    variance = true * (1 - true) / count
    assert abs(np.mean(errors)) < 4 * math.sqrt(variance / len(errors))
    assert 0.7 < np.var(errors) / variance < 1.35


def test_bands_are_the_fewest_that_find_a_pair_at_the_threshold() -> None:
    assert [bands_and_rows(t) for t in (0.7, 0.8, 0.9)] == [(26, 5), (16, 6), (11, 10)]
    assert [bands_and_rows(t)[1] for t in (0.7499, 0.75, 0.8499, 0.85)] == [5, 6, 6, 10]
    for threshold in np.linspace(0.3, 1, 71):
        bands, rows = bands_and_rows(float(threshold))
        assert 1 - (1 - threshold**rows) ** bands >= 0.99
        assert bands == 1 or 1 - (1 - threshold**rows) ** (bands - 1) < 0.99
    for wrong in (0, -0.1, 1.01):
        with pytest.raises(ValueError, match="threshold"):
            bands_and_rows(wrong)


@pytest.mark.parametrize("threshold", [0.7, 0.8, 0.9])
def test_pairs_at_the_threshold_are_candidates(threshold: float) -> None:
    bands, rows = bands_and_rows(threshold)
    pairs = [pair(threshold, 100, salt) for salt in range(1500)]
    assert {similarity for _, similarity in pairs} == {threshold}
    texts = [text for both, _ in pairs for text in both]
    found, _ = band_hashes(*buffers(texts), ONE_WORD, bands, rows, 7)
    hit = (found[::2] == found[1::2]).any(axis=1).mean()
    assert hit >= 0.99 - 4 * math.sqrt(0.01 * 0.99 / len(pairs))
    strangers = (found[:-2:2] == found[2::2]).any(axis=1).mean()
    assert strangers == 0


def test_a_signature_is_the_minimum_over_the_set_of_shingles() -> None:
    texts = ["a b c d", "d c b a a b c d", "A, B; c? D!", "a b c"]
    found, counts = signatures(*buffers(texts), ONE_WORD, 64, 1)
    assert counts.tolist() == [4, 8, 4, 3]
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()
    assert 0 < (found[0] != found[3]).sum() < 64
    single = [signatures(*buffers([c]), ONE_WORD, 64, 1)[0] for c in "abcd"]
    assert (np.minimum.reduce(single)[0] == found[0]).all()


def test_no_document_minds_its_neighbours_nor_whether_python_normalised_it() -> None:
    texts = [
        "one two three",
        "",
        "E\u0301t\u00e9 ma\u00f1ana",
        "\u00e9t\u00e9 man\u0303ana",
        "--",
        "字" * 9,
    ]
    values, ends = buffers(texts)
    bands, counts = band_hashes(values, ends, Shingling(), 4, 3, 9)
    assert counts.tolist() == [1, 0, 1, 1, 0, 5]
    assert (bands[2] == bands[3]).all()
    for row, text in enumerate(texts):
        alone, _ = band_hashes(*buffers([text]), Shingling(), 4, 3, 9)
        assert (alone[0] == bands[row]).all()
    part, _ = band_hashes(values, ends[2:], Shingling(), 4, 3, 9)
    assert (part == bands[2:]).all()


def test_the_empty_signature_and_other_seeds() -> None:
    found, counts = signatures(*buffers(["..."]), Shingling(), 8, 1)
    assert (found == EMPTY).all()
    assert counts.tolist() == [0]
    factors, summands = permutations(50, 1)
    assert len({*factors.tolist(), *summands.tolist()}) == 100
    assert (factors & 1).all()
    assert (permutations(30, 1)[0] == factors[:30]).all()
    assert (permutations(50, 2)[0] != factors).all()
    assert (permutations(50, -1)[0] != factors).all()


def test_bands_are_told_apart_and_the_hashes_stay_what_they_are() -> None:
    found, _ = band_hashes(*buffers(["The river rose in the night."]), Shingling(), 3, 2, 7)
    assert len(set(found[0].tolist())) == 3
    assert [f"{value:016x}" for value in found[0].tolist()] == [
        "128ae9ee9707078b",
        "e6c0e3e9392c1c99",
        "a504bedbdd98bb93",
    ]
