"""Shingles against sets of tuples of words, and Jaccard against the same."""

import unicodedata
from collections.abc import Hashable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.batches import buffers
from support.plain_words import words

from pipeline.text.shingles import Shingling, Unit, jaccard, jaccards, shingle_sets


def expected(text: str, shingling: Shingling) -> set[Hashable]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    items = words(folded) if shingling.unit == "word" else list(" ".join(folded.split()))
    n = min(shingling.ngram, len(items))
    return {tuple(items[i : i + n]) for i in range(len(items) - n + 1)} if items else set()


TEXTS = st.lists(
    st.lists(
        st.sampled_from(
            [
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
                "\n",
                "",
            ]
        ),
        max_size=9,
    ).map(" ".join),
    min_size=1,
    max_size=5,
)


@given(TEXTS, st.integers(1, 6), st.sampled_from(["word", "char"]))
@settings(max_examples=300, deadline=None)
def test_sets_are_alike_as_sets_of_tuples_are(texts: list[str], ngram: int, unit: Unit) -> None:
    shingling = Shingling(ngram, unit)
    hashes, ends = shingle_sets(*buffers(texts), shingling)
    wanted = [expected(text, shingling) for text in texts]
    assert np.diff(ends).tolist() == [len(shingles) for shingles in wanted]
    pairs = [(i, j) for i in range(len(texts)) for j in range(len(texts))]
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    out = np.empty(len(pairs))
    jaccards(hashes, ends, left, right, out)
    for (i, j), found in zip(pairs, out, strict=True):
        either = wanted[i] | wanted[j]
        assert found == (len(wanted[i] & wanted[j]) / len(either) if either else 0)
        one, other = hashes[ends[i] : ends[i + 1]], hashes[ends[j] : ends[j + 1]]
        assert jaccard(one, other.copy()) == found


def test_sets_are_in_order_and_hold_each_shingle_once() -> None:
    hashes, ends = shingle_sets(*buffers(["a b c a b c a b", "c"]), Shingling(2))
    assert ends.tolist() == [0, 3, 4]
    assert (np.diff(hashes[:3].astype(object)) > 0).all()


def test_a_short_document_is_one_shingle_and_one_without_words_has_none() -> None:
    texts = ["", " -- ", "one", "One!", "one two", "one two three four five", "one two three four"]
    hashes, ends = shingle_sets(*buffers(texts), Shingling(5))
    assert np.diff(ends).tolist() == [0, 0, 1, 1, 1, 1, 1]
    assert hashes[0] == hashes[1]
    assert len(set(hashes.tolist())) == 4


def test_a_slice_of_a_batch_and_no_document_at_all() -> None:
    values, ends = buffers(["x y", "one two", "e\u0301 fin", "z"])
    whole, places = shingle_sets(values, ends, Shingling())
    part, _ = shingle_sets(values, ends[1:4], Shingling())
    assert part.tolist() == whole[places[1] : places[3]].tolist()
    nothing, places = shingle_sets(values, ends[:1], Shingling())
    assert (len(nothing), places.tolist()) == (0, [0])


@pytest.mark.parametrize("wrong", [{"ngram": 0}, {"unit": "line"}])
def test_shingles_of_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="is n"):
        Shingling(**wrong)  # type: ignore[arg-type]
