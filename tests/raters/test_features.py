"""What the student sees of a text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raters.criteria import CRITERIA, DOMAINS
from raters.grams import BITS, count_grams, tokens_of
from raters.lexicon import DOMAIN_WORDS
from raters.student import domain_evidence, featurise
from raters.style import DOMAIN_COUNTS, DOMAIN_SHARES, MARKS, measure_style
from raters.view import student_view

PROSE = "The river rose in the night. By morning, the lower fields were gone; nobody slept. "


def test_criteria_and_domains_are_as_published() -> None:
    assert len(CRITERIA) == 14
    assert (CRITERIA[0], CRITERIA[-1]) == ("accuracy", "overall_score")
    assert "".join(DOMAINS) == "ABCDEFGHIJKLMNO"
    assert [*DOMAIN_WORDS] == [*DOMAINS][:-1]


def test_the_view_is_the_head_and_the_tail() -> None:
    assert student_view("x" * 2000) == "x" * 2000
    text = "a" * 1400 + "b" * 5000 + "c" * 600
    assert student_view(text) == "a" * 1400 + "\n...\n" + "c" * 600
    assert student_view("a" * 1401 + "c" * 600) == "a" * 1400 + "\n...\n" + "c" * 600


@given(st.text(min_size=0, max_size=30), st.integers(1, 300))
def test_the_view_of_a_view_is_the_view(piece: str, times: int) -> None:
    view = student_view(piece * times)
    assert student_view(view) == view
    assert len(view) <= 2005


def test_what_lies_between_head_and_tail_changes_nothing() -> None:
    one = featurise("a b " * 350 + "gold " * 400 + "c d " * 150)
    other = featurise("a b " * 350 + "lead " * 900 + "c d " * 150)
    assert np.array_equal(one.buckets, other.buckets)
    assert np.array_equal(one.counts, other.counts)
    assert np.array_equal(one.style, other.style)


def test_tokens_are_words_and_signs_in_lower_case() -> None:
    assert tokens_of("Naïve, 1984! x_1") == ["naïve", ",", "0000", "!", "x_0"]
    assert tokens_of("y" * 99) == ["y" * 40]


def test_grams_are_counted_in_ascending_buckets() -> None:
    buckets, counts = count_grams("to be or not to be")
    assert np.all(np.diff(buckets.astype(np.int64)) > 0)
    assert buckets.max() < 2**BITS
    # Twice: to, be, "to be", and all pieces of <to> and <be>; once: or, not, the pairs, pieces.
    assert sorted({round(float(c), 4) for c in counts}) == [1.0, round(1 + np.log(2), 4)]
    assert len(count_grams("")[0]) == len(count_grams(" \n")[0]) == 0
    both, one = count_grams("be to")[0], count_grams("to be")[0]
    assert set(both) != set(one)


def test_style_tells_kinds_of_writing_apart() -> None:
    assert len(measure_style("")) == len(measure_style(PROSE))
    assert np.isfinite(measure_style("")).all()
    share = measure_style("a.b.")[MARKS.index(".")]
    assert share == pytest.approx(np.sqrt(0.5))
    law = measure_style("The court held that the statute was void. The judge agreed.")
    assert law[DOMAIN_SHARES].argmax() == [*DOMAINS].index("C")
    assert law[DOMAIN_COUNTS][[*DOMAINS].index("C")] == pytest.approx(np.log1p(3))
    assert domain_evidence(law).argmax(axis=0).tolist() == [2, 2]
    assert not np.array_equal(measure_style(PROSE * 3), measure_style(PROSE + PROSE.upper() * 2))


@given(st.text(max_size=200))
def test_any_text_has_finite_features(text: str) -> None:
    found = featurise(text)
    assert np.isfinite(found.style).all()
    assert np.isfinite(found.counts).all()
