"""The measures behind the Gopher, C4 and FineWeb rules, from counts, and the rules' verdicts.

Characters are code points, CR LF one. Words are UAX 29 words, where the papers have those between
white space. Stop words count in any case, each once.

All shares of characters are of the text's. The top n-gram is the first of those that come most
often, be it once, with a character between two words that stand apart; n-grams that came before
count without: the paper leaves these open, and datatrove, whose verdicts many corpora are made
with, has them so. A character in several n-grams counts once, as the paper has it, where datatrove
looks for no repeated n-gram that overlaps the one before.

C4 drops lines and citation marks; here `n_c4_lines` counts the lines that it would keep: they end
in a terminal mark (not an ellipsis, as its code has it), have five words or more between white
space and no boilerplate. `n_c4_sentences` counts the sentences in them, which end in `.`, `!` or
`?` before white space, where C4's code has a trained splitter.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Verdicts = npt.NDArray[np.bool_]

COUNTS = (
    *("words", "word_characters", "alphabetic_words", "stop_words"),
    *("hashes", "ellipses", "curly_brackets", "square_brackets", "lorem_ipsums", "breaks"),
    "characters",
    *("bullet_lines", "ellipsis_lines", "terminal_lines", "short_lines"),
    *("lines", "duplicate_lines", "duplicate_line_characters"),
    *("paragraphs", "duplicate_paragraphs", "duplicate_paragraph_characters"),
    *(f"{n}gram_characters" for n in range(2, 11)),
    *("c4_lines", "c4_sentences"),
)
"""What is counted in a document, in the order of the kernel's columns."""
PLACES = {name: place for place, name in enumerate(COUNTS)}

_PLAIN = {
    "n_words": "words",
    "n_lines": "lines",
    "n_stop_words": "stop_words",
    "n_c4_lines": "c4_lines",
    "n_c4_sentences": "c4_sentences",
}
_PRESENT = {"has_lorem_ipsum": "lorem_ipsums", "has_curly_bracket": "curly_brackets"}
_SHARES = {
    "mean_word_length": ("word_characters", "words"),
    "hash_word_ratio": ("hashes", "words"),
    "ellipsis_word_ratio": ("ellipses", "words"),
    "bullet_line_ratio": ("bullet_lines", "lines"),
    "ellipsis_line_ratio": ("ellipsis_lines", "lines"),
    "alphabetic_word_ratio": ("alphabetic_words", "words"),
    "duplicate_line_ratio": ("duplicate_lines", "lines"),
    "duplicate_line_char_ratio": ("duplicate_line_characters", "characters"),
    "duplicate_paragraph_ratio": ("duplicate_paragraphs", "paragraphs"),
    "duplicate_paragraph_char_ratio": ("duplicate_paragraph_characters", "characters"),
    **{f"top_{n}gram_char_ratio": (f"{n}gram_characters", "characters") for n in (2, 3, 4)},
    **{
        f"duplicate_{n}gram_char_ratio": (f"{n}gram_characters", "characters") for n in range(5, 11)
    },
    "terminal_line_ratio": ("terminal_lines", "lines"),
    "short_line_ratio": ("short_lines", "lines"),
    "newline_word_ratio": ("breaks", "words"),
}
VERDICTS = ("gopher_quality", "gopher_repetition", "c4_quality", "fineweb_quality")

MEASURES: dict[str, type] = {
    "n_words": int,
    "n_lines": int,
    **dict.fromkeys(list(_SHARES)[:6], float),
    "n_stop_words": int,
    **dict.fromkeys(list(_SHARES)[6:], float),
    "n_c4_lines": int,
    "n_c4_sentences": int,
    **dict.fromkeys((*_PRESENT, *VERDICTS), bool),
}
"""The columns, in order."""


@dataclass(frozen=True)
class Column:
    """A measure of each document: 0 where it is null because it would divide by nothing."""

    values: npt.NDArray[np.generic]
    is_null: Verdicts | None = None


def measures(counts: Counts) -> dict[str, Column]:
    """The columns for a row of COUNTS for each document."""
    found: dict[str, Column] = {}
    for name in MEASURES:
        if name in _SHARES:
            part, whole = (counts[:, PLACES[count]] for count in _SHARES[name])
            found[name] = Column(part / np.maximum(whole, 1), whole == 0)
        elif name in _PLAIN:
            found[name] = Column(counts[:, PLACES[_PLAIN[name]]])
        elif name in _PRESENT:
            found[name] = Column(counts[:, PLACES[_PRESENT[name]]] > 0)
    values = {name: column.values.astype(np.float64) for name, column in found.items()}
    for name, rule in RULES.items():
        found[name] = Column(rule(values))
    return found


Measured = Mapping[str, npt.NDArray[np.float64]]


def gopher_quality(m: Measured) -> Verdicts:
    """Pass if every quality rule of Gopher (Rae et al. 2021, appendix A.1) holds."""
    return (
        (m["n_words"] >= 50)
        & (m["n_words"] <= 100_000)
        & (m["mean_word_length"] >= 3)
        & (m["mean_word_length"] <= 10)
        & (m["hash_word_ratio"] <= 0.1)
        & (m["ellipsis_word_ratio"] <= 0.1)
        & (m["bullet_line_ratio"] <= 0.9)
        & (m["ellipsis_line_ratio"] <= 0.3)
        & (m["alphabetic_word_ratio"] >= 0.8)
        & (m["n_stop_words"] >= 2)
    )


REPETITION_LIMITS = {
    "duplicate_line_ratio": 0.30,
    "duplicate_paragraph_ratio": 0.30,
    "duplicate_line_char_ratio": 0.20,
    "duplicate_paragraph_char_ratio": 0.20,
    "top_2gram_char_ratio": 0.20,
    "top_3gram_char_ratio": 0.18,
    "top_4gram_char_ratio": 0.16,
    "duplicate_5gram_char_ratio": 0.15,
    "duplicate_6gram_char_ratio": 0.14,
    "duplicate_7gram_char_ratio": 0.13,
    "duplicate_8gram_char_ratio": 0.12,
    "duplicate_9gram_char_ratio": 0.11,
    "duplicate_10gram_char_ratio": 0.10,
}
"""Gopher's repetition limits (Rae et al. 2021, table A1): a text above one of them fails."""


def gopher_repetition(m: Measured) -> Verdicts:
    """Pass if no limit is exceeded."""
    passes: Verdicts = np.all([m[name] <= limit for name, limit in REPETITION_LIMITS.items()], 0)
    return passes


def c4_quality(m: Measured) -> Verdicts:
    """Pass if C4 would keep three sentences or more and finds no placeholder and no code.

    Of its rules those on bad words, on the language and on repeated spans are other stages'.
    """
    clean = (m["has_lorem_ipsum"] < 1) & (m["has_curly_bracket"] < 1)
    return (m["n_c4_sentences"] >= 3) & clean


def fineweb_quality(m: Measured) -> Verdicts:
    """Pass if FineWeb's own three rules hold (2406.17557, section 3.6), and its code's fourth.

    The fourth is the one on line breaks; for repeated lines the code has 0.01 where the paper,
    and this, has 0.1.
    """
    return (
        (m["terminal_line_ratio"] > 0.12)
        & (m["duplicate_line_char_ratio"] < 0.1)
        & (m["short_line_ratio"] < 0.67)
        & (m["newline_word_ratio"] <= 0.3)
    )


RULES = {
    "gopher_quality": gopher_quality,
    "gopher_repetition": gopher_repetition,
    "c4_quality": c4_quality,
    "fineweb_quality": fineweb_quality,
}
"""The verdicts: true where a text passes."""
