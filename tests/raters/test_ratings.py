"""From completions to columns, by hand."""

import math
from collections.abc import Sequence

import pytest

from raters.base import Chosen, Completion, Refused, Scored
from raters.criteria import CRITERIA
from raters.generative.excerpts import BUDGETS, Budget, Excerpt, cut, windows
from raters.generative.modes import decided
from raters.generative.ratings import Rated, rate
from raters.generative.replies import DOMAIN, compact

SCORE = compact(decided("score_only"))
DOMAINS = compact(decided("domain_only"))
ALL = compact(decided("all_rating"))


def whole(n: int) -> Excerpt:
    return Excerpt([[0] * n], [n], n)


def logs(*odds: float) -> list[float]:
    return [math.log(p) if p else -math.inf for p in odds]


def chosen(*odds: Sequence[float], complete: bool = True) -> Chosen:
    picks = [some.index(max(some)) for some in odds]
    return Chosen(picks=picks, logprobs=[logs(*some) for some in odds], complete=complete)


def test_a_score_is_the_likeliest_and_its_mean_that_of_the_five() -> None:
    # Half of all the probability is on digits, in the shares 0.1 0.2 0.1 0.4 0.2.
    done = [chosen([0.05, 0.1, 0.05, 0.2, 0.1])]
    row = rate(SCORE, whole(7), done).row
    shares = (0.1, 0.2, 0.1, 0.4, 0.2)
    assert row["overall_score"] == 4
    assert row["overall_score_expected"] == pytest.approx(0.1 + 0.4 + 0.3 + 1.6 + 1.0)
    assert row["overall_score_entropy"] == pytest.approx(-sum(p * math.log(p) for p in shares))
    assert row["quality_grammar_mass"] == row["quality_grammar_mass_min"] == pytest.approx(0.5)
    assert row["quality_residual_mass"] == 0
    assert row["quality_truncated"] is False
    assert row["quality_rated_tokens"] == row["quality_n_tokens"] == 7
    assert row["status"] == "ok"


def test_of_equals_the_lower_score_and_the_first_letter_stand() -> None:
    assert rate(SCORE, whole(1), [chosen([0.1, 0.3, 0.0, 0.3, 0.3])]).row["overall_score"] == 2
    odds = [0.0, 0.2, 0.2] + [0.05] * 12
    row = rate(DOMAINS, whole(1), [chosen(odds)]).row
    assert row["domain"] == "B"
    assert row["domain_probability"] == pytest.approx(0.2)


def test_the_mass_is_the_mean_and_the_least_over_fifteen_decisions() -> None:
    odds = [[0.04] * 15] + [[0.2, 0.2, 0.2, 0.1, 0.1]] * 13 + [[0.02] * 5]
    rated = rate(ALL, whole(3), [chosen(*odds)])
    assert rated.row["quality_grammar_mass"] == pytest.approx((0.6 + 13 * 0.8 + 0.1) / 15)
    assert rated.row["quality_grammar_mass_min"] == pytest.approx(0.1)
    assert rated.masses[DOMAIN] == pytest.approx(0.6)
    assert rated.masses["accuracy"] == pytest.approx(0.8)
    assert list(rated.masses) == [DOMAIN, *CRITERIA]


def test_modes_that_ask_for_less_leave_the_rest_null() -> None:
    score, domain = (
        rate(SCORE, whole(1), [chosen([0.2] * 5)]),
        rate(DOMAINS, whole(1), [chosen([0.05] * 15)]),
    )
    told = {"status"} | {name for name in score.row if name.startswith("quality_")}
    assert {*score.row} - told == {
        "overall_score", "overall_score_expected", "overall_score_entropy",
    }  # fmt: skip
    assert {*domain.row} - told == {"domain", "domain_probability"}


def test_what_an_engine_does_not_tell_counts_nothing_and_is_bounded() -> None:
    known = chosen([0.0, 0.3, 0.0, 0.6, 0.0], complete=False)
    row = rate(SCORE, whole(1), [known]).row
    assert row["overall_score_expected"] == pytest.approx((2 * 0.3 + 4 * 0.6) / 0.9)
    assert row["quality_grammar_mass"] == pytest.approx(0.9)
    assert row["quality_residual_mass"] == pytest.approx(0.1)
    # Where every allowed token is known there is nothing left that could change the rating.
    full = chosen([0.1, 0.2, 0.1, 0.4, 0.1], complete=False)
    assert rate(SCORE, whole(1), [full]).row["quality_residual_mass"] == 0
    # A probability of zero that the model gave is no gap in what is known.
    zero = chosen([0.0, 0.3, 0.0, 0.6, 0.0])
    assert rate(SCORE, whole(1), [zero]).row["quality_residual_mass"] == 0


def test_the_smallest_probabilities_are_still_compared() -> None:
    logprobs = [[-900.0, -901.0, -900.0, -950.0, -1000.0]]
    row = rate(SCORE, whole(1), [Chosen(picks=[0], logprobs=logprobs)]).row
    share = 1 / (2 + math.exp(-1))
    assert row["overall_score_expected"] == pytest.approx(share * (1 + 2 * math.exp(-1) + 3))
    assert row["quality_grammar_mass"] == 0


@pytest.mark.parametrize(
    ("done", "told"),
    [
        (Refused(reason="the server gave up"), "the server gave up"),
        (chosen([0.0] * 5, complete=False), "the reply has no numbers"),
        (Chosen(picks=[0], logprobs=[[math.nan, -1.0, -1.0, -1.0, -1.0]]), "has no numbers"),
        (Scored(nll=1.0), "the reply has no numbers"),
    ],
)
def test_what_is_no_reply_is_never_a_rating(done: Completion, told: str) -> None:
    rated = rate(SCORE, whole(1), [done])
    assert rated.row["status"] == "invalid_reply"
    assert told in str(rated.row["quality_reason"])
    assert {*rated.row} == {"status", "quality_reason"}
    assert rated.masses == {}


# --- windows

THREE = Excerpt([[0] * 10, [0] * 10, [0] * 5], [10, 10, 5], 25)


def over(*odds: Sequence[float], form: str = "score") -> Rated:
    made = SCORE if form == "score" else DOMAINS
    return rate(made, THREE, [chosen(some) for some in odds])


def test_windows_count_by_their_tokens() -> None:
    # Means 1, 5 and 3; weights 0.4, 0.4 and 0.2.
    row = over([1, 0, 0, 0, 0], [0, 0, 0, 0, 0.5], [0, 0, 0.8, 0, 0]).row
    assert row["overall_score_expected"] == pytest.approx(0.4 * 1 + 0.4 * 5 + 0.2 * 3)
    assert row["overall_score"] == 3
    # The distribution over all of them: 0.4, 0, 0.2, 0, 0.4.
    entropy = -(0.4 * math.log(0.4) + 0.2 * math.log(0.2) + 0.4 * math.log(0.4))
    assert row["overall_score_entropy"] == pytest.approx(entropy)
    assert row["quality_grammar_mass"] == pytest.approx(0.4 * 1 + 0.4 * 0.5 + 0.2 * 0.8)
    assert row["quality_grammar_mass_min"] == pytest.approx(0.5)
    assert (row["quality_rated_tokens"], row["quality_n_tokens"]) == (25, 25)


@pytest.mark.parametrize(
    ("scores", "mean", "rounded"),
    [
        ((2, 3, 0), 2.5, 2),  # half goes down
        ((4, 5, 0), 4.5, 4),
        ((1, 2, 0), 1.5, 1),
        ((2, 3, 3), 2.6, 3),
        ((2, 2, 4), 2.4, 2),
        ((5, 5, 5), 5.0, 5),
        ((1, 1, 1), 1.0, 1),
    ],
)
def test_the_integer_of_windows_is_the_mean_rounded_half_down(
    scores: tuple[int, int, int], mean: float, rounded: int
) -> None:
    first, second, third = ([float(score == k) for k in (1, 2, 3, 4, 5)] for score in scores)
    excerpt = Excerpt([[0] * 2, [0] * 2, [0]], [2, 2, 1], 5)
    done = [chosen(first), chosen(second), chosen(third)]
    if not scores[2]:
        excerpt, done = Excerpt([[0], [0]], [1, 1], 2), done[:2]
    row = rate(SCORE, excerpt, done).row
    assert row["overall_score_expected"] == pytest.approx(mean)
    assert row["overall_score"] == rounded


@pytest.mark.parametrize(
    ("weights", "scores", "rounded"),
    [((7, 3, 2), (5, 1, 2), 3), ((1, 9, 4), (1, 2, 4), 2), ((5, 8, 9), (2, 5, 3), 3)],
)
def test_a_half_is_a_half_whatever_the_last_bits_of_its_sum(
    weights: tuple[int, ...], scores: tuple[int, ...], rounded: int
) -> None:
    assert sum(w * s for w, s in zip(weights, scores, strict=True)) % sum(weights) * 2 == sum(
        weights
    )
    done = [chosen([float(score == k) for k in (1, 2, 3, 4, 5)]) for score in scores]
    excerpt = Excerpt([[0] * weight for weight in weights], weights, sum(weights))
    row = rate(SCORE, excerpt, done).row
    assert row["overall_score_expected"] == pytest.approx(rounded + 0.5)
    assert row["overall_score"] == rounded


def test_the_domain_of_windows_is_the_likeliest_by_tokens() -> None:
    a, b = [0.6, 0.4] + [0.0] * 13, [0.0, 1.0] + [0.0] * 13
    row = over(a, a, b, form="domain").row
    # 0.8 of the tokens say A with 0.6, 0.2 say B with 1: B has 0.52.
    assert row["domain"] == "B"
    assert row["domain_probability"] == pytest.approx(0.52)


def test_one_window_that_is_refused_takes_the_document_with_it() -> None:
    done: list[Completion] = [chosen([0.2] * 5), Refused(reason="no"), chosen([0.2] * 5)]
    assert rate(SCORE, THREE, done).row == {"status": "invalid_reply", "quality_reason": "no"}


# --- what is read of a document


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


DOTS = letters("...")


def test_datamans_budgets() -> None:
    assert (BUDGETS["en"], BUDGETS["zh"]) == (Budget(1894, 20_000), Budget(1896, 60_000))


@pytest.mark.parametrize(("lang", "half"), [("en", 947), ("zh", 948)])
def test_a_long_text_keeps_both_ends(lang: str, half: int) -> None:
    budget = BUDGETS["en" if lang == "en" else "zh"]
    text = "".join(chr(19968 + place) for place in range(2 * half + 1))
    (window,) = cut(text, letters, budget).windows
    assert list(window) == letters(text)[:half] + DOTS + letters(text)[-half:]
    excerpt = cut(text, letters, budget)
    assert (excerpt.rated, excerpt.total) == (2 * half, 2 * half + 1)
    fits = cut(text[1:], letters, budget)
    assert list(fits.windows[0]) == letters(text[1:])
    assert (fits.rated, fits.total) == (2 * half, 2 * half)


def nines(text: str) -> list[int]:
    """A token for each nine characters, and for what is left."""
    return [sum(map(ord, text[at : at + 9])) for at in range(0, len(text), 9)]


@pytest.mark.parametrize(("lang", "characters"), [("en", 20_000), ("zh", 60_000)])
def test_of_a_very_long_text_only_its_ends_are_cut_into_tokens(lang: str, characters: int) -> None:
    budget = BUDGETS["en" if lang == "en" else "zh"]
    half, ends = characters // 2, budget.tokens // 2
    text = "".join(chr(97 + place * place % 26) for place in range(characters + 2))
    # Two characters more than fit, and the last half begins in the middle of a token of the whole.
    (window,) = cut(text, nines, budget).windows
    head, tail = nines(text[:half]), nines(text[-half:])
    assert list(window) == head[:ends] + nines("...") + tail[-ends:]
    assert tail[-ends:] != nines(text)[-ends:]
    assert cut(text, nines, budget).total == len(nines(text))
    (whole_,) = cut(text[2:], nines, budget).windows
    assert list(whole_) == nines(text[2:])[:ends] + nines("...") + nines(text[2:])[-ends:]


def test_two_ends_that_fit_are_joined_as_they_are() -> None:
    def thousands(text: str) -> list[int]:
        return [len(text) // 1000]

    excerpt = cut("x" * 30_000, thousands, BUDGETS["en"])
    assert excerpt.windows == [[10, 10]]
    # The tokens of an encoder like this one say nothing of how much was left out.
    assert excerpt.rated == 2


@pytest.mark.parametrize("length", [1, 9, 10, 11, 20, 25])
def test_windows_follow_each_other_and_leave_nothing_out(length: int) -> None:
    text = "".join(chr(97 + place % 26) for place in range(length))
    excerpt = windows(text, letters, Budget(10, 4))
    assert [token for window in excerpt.windows for token in window] == letters(text)
    assert [len(window) for window in excerpt.windows] == list(excerpt.weights)
    assert all(weight == 10 for weight in excerpt.weights[:-1])
    assert excerpt.rated == excerpt.total == length


def test_another_budget_takes_characters_in_proportion() -> None:
    assert Budget(1894, 20_000).resized(947) == Budget(947, 10_000)
