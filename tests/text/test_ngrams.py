"""Hashed n-grams against plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.batches import buffers
from support.plain_ngrams import bag, bucket, folded_words

from pipeline.text.ngrams import count_ngrams, ngrams_of, weigh_ngrams

WORDS = [
    "a",
    "A",
    "b",
    "the",
    "é",
    "e\u0301",
    "ß",
    "SS",
    "字",
    "ﬁn",
    "...",
    "12",
    "กำ",
    "क़",
    "𝔘",
    "\r\n",
]
TEXTS = st.lists(
    st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join) | st.text(max_size=12),
    min_size=1,
    max_size=5,
)


@given(TEXTS, st.integers(1, 4), st.sampled_from([2, 7, 10_000, 1 << 20]))
@settings(max_examples=200, deadline=None)
def test_counts_and_sums_are_those_of_plain_python(
    texts: list[str], ngram: int, buckets: int
) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    bags = [bag(text, ngram, buckets) for text in texts]
    totals = np.zeros(buckets, np.int64)
    words = count_ngrams(*buffers(texts), ngram, totals)
    assert words.tolist() == [len(folded_words(text)) for text in texts]
    assert ngrams_of(words, ngram).tolist() == [counts.total() for counts in bags]
    expected = np.zeros(buckets, np.int64)
    for counts in bags:
        for number, count in counts.items():
            expected[number] += count
    assert (totals == expected).all()
    # Powers of two add up exactly, in any order.
    weights = np.exp2(np.arange(buckets) % 31).astype(np.float64)
    sums, again = weigh_ngrams(*buffers(texts), ngram, weights)
    assert again.tolist() == words.tolist()
    assert sums.tolist() == [sum(weights[n] * c for n, c in counts.items()) for counts in bags]


def test_counts_are_added_to_what_is_there() -> None:
    totals = np.full(10, 3, np.int64)
    count_ngrams(*buffers(["one two", "two"]), 2, totals)
    assert totals.sum() == 30 + 4
    assert totals[bucket(["two"], 10)] >= 5


@pytest.mark.parametrize("ngram", [1, 2, 5])
def test_a_text_without_words_has_no_ngrams(ngram: int) -> None:
    sums, words = weigh_ngrams(*buffers(["", " -- ", "x"]), ngram, np.ones(4))
    assert sums.tolist() == [0, 0, 1]
    assert words.tolist() == [0, 0, 1]
    assert ngrams_of(words, ngram).tolist() == [0, 0, 1]


def test_words_fall_in_all_buckets_alike() -> None:
    totals = np.zeros(64, np.int64)
    count_ngrams(*buffers([" ".join(f"w{i}" for i in range(20_000))]), 2, totals)
    expected = 39_999 / 64
    assert ((totals - expected) ** 2 / expected).sum() < 120  # p < 1e-5 with 63 degrees of freedom
