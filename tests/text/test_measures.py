"""The rules' thresholds against the papers' wording, and columns from counts."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.text.measures import (
    COUNTS,
    MEASURES,
    REPETITION_LIMITS,
    c4_quality,
    fineweb_quality,
    gopher_quality,
    gopher_repetition,
    measures,
)

Value = int | float | bool | None


PASSING: dict[str, Value] = {
    "n_words": 1000,
    "mean_word_length": 5.0,
    "hash_word_ratio": 0.0,
    "ellipsis_word_ratio": 0.0,
    "bullet_line_ratio": 0.0,
    "ellipsis_line_ratio": 0.0,
    "alphabetic_word_ratio": 1.0,
    "n_stop_words": 8,
    "n_c4_sentences": 9,
    "has_lorem_ipsum": False,
    "has_curly_bracket": False,
    "terminal_line_ratio": 1.0,
    "duplicate_line_char_ratio": 0.0,
    "short_line_ratio": 0.0,
    "newline_word_ratio": 0.0,
}


def arrays(values: dict[str, Value]) -> dict[str, npt.NDArray[np.float64]]:
    return {name: np.array([value], np.float64) for name, value in values.items()}


# The papers' wording: "between 50 and 100,000", "outside the range of 3 to 10", "greater than 0.1",
# "more than 90%", "more than 30%", "80% of words", "at least two"; FineWeb removes at <= 0.12,
# >= 0.1, >= 0.67; C4 "fewer than 3 sentences".
@pytest.mark.parametrize(
    ("verdict", "name", "passes", "fails"),
    [
        (gopher_quality, "n_words", (50, 100_000), (49, 100_001)),
        (gopher_quality, "mean_word_length", (3.0, 10.0), (2.99, 10.01)),
        (gopher_quality, "hash_word_ratio", (0.1,), (0.101,)),
        (gopher_quality, "ellipsis_word_ratio", (0.1,), (0.101,)),
        (gopher_quality, "bullet_line_ratio", (0.9,), (0.901,)),
        (gopher_quality, "ellipsis_line_ratio", (0.3,), (0.301,)),
        (gopher_quality, "alphabetic_word_ratio", (0.8,), (0.799,)),
        (gopher_quality, "n_stop_words", (2,), (1, 0)),
        (c4_quality, "n_c4_sentences", (3,), (2, 0)),
        (c4_quality, "has_lorem_ipsum", (False,), (True,)),
        (c4_quality, "has_curly_bracket", (False,), (True,)),
        (fineweb_quality, "terminal_line_ratio", (0.121,), (0.12,)),
        (fineweb_quality, "duplicate_line_char_ratio", (0.099,), (0.1,)),
        (fineweb_quality, "short_line_ratio", (0.669,), (0.67,)),
        (fineweb_quality, "newline_word_ratio", (0.3,), (0.301,)),
    ],
)
def test_thresholds_are_the_papers(
    verdict: Any, name: str, passes: tuple[Value, ...], fails: tuple[Value, ...]
) -> None:
    assert all(verdict(arrays({**PASSING, name: value})) for value in passes)
    assert not any(verdict(arrays({**PASSING, name: value})) for value in fails)


def test_limits_on_repetition_are_the_papers() -> None:
    lines = {"duplicate_line_ratio": 30, "duplicate_paragraph_ratio": 30}
    lines |= {"duplicate_line_char_ratio": 20, "duplicate_paragraph_char_ratio": 20}
    top = {f"top_{n}gram_char_ratio": limit for n, limit in ((2, 20), (3, 18), (4, 16))}
    repeated = {f"duplicate_{n}gram_char_ratio": 20 - n for n in range(5, 11)}
    wanted = {name: limit / 100 for name, limit in {**lines, **top, **repeated}.items()}
    assert wanted == REPETITION_LIMITS
    none: dict[str, Value] = dict.fromkeys(wanted, 0.0)
    for name, limit in wanted.items():
        assert gopher_repetition(arrays({**none, name: limit}))
        assert not gopher_repetition(arrays({**none, name: math.nextafter(limit, 1)}))


def test_the_verdicts_of_many_documents_are_those_of_each() -> None:
    counts = np.zeros((3, len(COUNTS)), np.int64)
    counts[1] = 1
    found = measures(counts)
    assert list(found) == list(MEASURES)
    assert [len(column.values) for column in found.values()] == [3] * len(found)
    assert (found["c4_quality"].values == [False, False, False]).all()
    shares = found["hash_word_ratio"]
    assert shares.is_null is not None
    assert (shares.is_null.tolist(), shares.values.tolist()) == ([True, False, True], [0, 1, 0])
