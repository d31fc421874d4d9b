"""The signals of one text in plain Python: what the kernels are compared with.

A line ends at LF, CR LF or CR, is stripped, and counts where it holds more than white space (form
feeds, line separators and the like are white space within it). A paragraph is a run of lines with
no blank line in between. Characters are code points.
"""

import re
from collections.abc import Sequence

import regex

from support.plain_words import words

Value = int | float | bool | None

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
"""Gopher's stop words (Rae et al. 2021, appendix A.1)."""
BULLETS = tuple("\u2022\u2023\u2043\u25e6\u25cf\u25cb\u25a0\u25a1\u25aa\u25ab\u00b7-*")
"""What begins a line of a list."""
ELLIPSES = ("...", "\u2026")
TERMINAL_MARKS = tuple(
    ".!?\u2026\"'\u201d\u2019\u00bb"
    "\u3002\uff01\uff1f\uff0e\uff61\u300d\u300f\u061f\u06d4\u0964\u0965\u0589\u1362\u104b\u17d4"
)
"""What ends a sentence: full stops and closing quotation marks, of other scripts as well."""
# Of the Unicode version that the kernels have, where `str.isalpha` has the interpreter's.
_LETTER = regex.compile(r"\p{L}")
_BREAK = re.compile(r"\r\n?|\n")
_C4_MARKS = (".", "!", "?", '"', "\u201d")
_CITATION = re.compile(r"\[(?:\d+|edit|citation needed)\]")
_SENTENCE = re.compile(r"""[.!?]+["'\u201d\u2019)\]]*(?=\s|$)""")
_BOILERPLATE = (
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)


def lines_of(text: str) -> list[str]:
    """The text's lines, stripped; a blank one is empty."""
    return [line.strip() for line in _BREAK.split(text)]


def paragraphs_of(lines: Sequence[str]) -> list[str]:
    """Runs of lines that are not blank."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line:
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return ["\n".join(run) for run in found if run]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def quality(text: str, lines: Sequence[str], found: Sequence[str]) -> dict[str, Value]:
    """The measures of Gopher's quality rules (Rae et al. 2021, appendix A.1).

    Words are UAX 29 words, where the paper has those between white space; stop words count in
    any case, each once.
    """
    ellipses = sum(map(text.count, ELLIPSES))
    short = {word.lower() for word in found if len(word) <= 4}
    return {
        "n_words": len(found),
        "n_lines": len(lines),
        "mean_word_length": _share(sum(map(len, found)), len(found)),
        "hash_word_ratio": _share(text.count("#"), len(found)),
        "ellipsis_word_ratio": _share(ellipses, len(found)),
        "bullet_line_ratio": _share(sum(s.startswith(BULLETS) for s in lines), len(lines)),
        "ellipsis_line_ratio": _share(sum(s.endswith(ELLIPSES) for s in lines), len(lines)),
        "alphabetic_word_ratio": _share(
            sum(bool(_LETTER.search(word)) for word in found), len(found)
        ),
        "n_stop_words": len(short & STOP_WORDS),
    }


def gopher_quality(m: dict[str, Value]) -> bool:
    """Pass if every quality rule of Gopher (Rae et al. 2021, appendix A.1) holds."""
    return bool(
        50 <= _n(m["n_words"]) <= 100_000
        and 3 <= _n(m["mean_word_length"]) <= 10
        and _n(m["hash_word_ratio"]) <= 0.1
        and _n(m["ellipsis_word_ratio"]) <= 0.1
        and _n(m["bullet_line_ratio"]) <= 0.9
        and _n(m["ellipsis_line_ratio"]) <= 0.3
        and _n(m["alphabetic_word_ratio"]) >= 0.8
        and _n(m["n_stop_words"]) >= 2
    )


def _n(value: Value) -> float:
    return 0.0 if value is None else float(value)


def _repeats(pieces: Sequence[str], size: int) -> tuple[float | None, float | None]:
    """The share of pieces that have come before, and of the text's characters in those."""
    seen: set[str] = set()
    count = characters = 0
    for piece in pieces:
        if piece in seen:
            count += 1
            characters += len(piece)
        else:
            seen.add(piece)
    return _share(count, len(pieces)), _share(characters, size)


def _grams(found: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return list(zip(*(found[i:] for i in range(n)), strict=False))


def _covered(starts: Sequence[int], n: int, found: Sequence[str]) -> int:
    """Characters of the words in the n-grams that start there, each once."""
    covered = end = 0
    for start in starts:
        covered += sum(map(len, found[max(start, end) : start + n]))
        end = start + n
    return covered


def _stand_apart(text: str, found: Sequence[str]) -> list[bool]:
    """Whether there is anything between each word and the one before."""
    apart, end = [], 0
    for word in found:
        start = text.index(word, end)
        apart.append(start > end)
        end = start + len(word)
    return apart


def _top(found: Sequence[str], apart: Sequence[bool], n: int, size: int) -> float | None:
    """The share of characters in the n-gram that comes most often, the first of those."""
    places: dict[tuple[str, ...], list[int]] = {}
    for start, gram in enumerate(_grams(found, n)):
        places.setdefault(gram, []).append(start)
    starts = max(places.values(), key=len, default=[])
    covered = {start + i for start in starts for i in range(n)}
    between = {start + i for start in starts for i in range(1, n)}
    return _share(sum(len(found[i]) for i in covered) + sum(apart[i] for i in between), size)


def _duplicated(found: Sequence[str], n: int, size: int) -> float | None:
    """The share of characters in the words of n-grams that have come before."""
    seen: set[tuple[str, ...]] = set()
    again = []
    for start, gram in enumerate(_grams(found, n)):
        if gram in seen:
            again.append(start)
        else:
            seen.add(gram)
    return _share(_covered(again, n, found), size)


def repetition(
    text: str, lines: Sequence[str], paragraphs: Sequence[str], found: Sequence[str]
) -> dict[str, Value]:
    """The measures of Gopher's repetition rules (Rae et al. 2021, appendix A.1).

    Shares of characters are of the text's, in which CR LF is one. The top n-gram is the first of
    those that come most often, with a character between two words that stand apart; n-grams that
    came before count without. A character in several n-grams counts once.
    """
    size = len(text.replace("\r\n", "\n"))
    by_line, by_paragraph = _repeats(lines, size), _repeats(paragraphs, size)
    apart = _stand_apart(text, found)
    measures: dict[str, Value] = {
        "duplicate_line_ratio": by_line[0],
        "duplicate_line_char_ratio": by_line[1],
        "duplicate_paragraph_ratio": by_paragraph[0],
        "duplicate_paragraph_char_ratio": by_paragraph[1],
    }
    for n in (2, 3, 4):
        measures[f"top_{n}gram_char_ratio"] = _top(found, apart, n, size)
    for n in range(5, 11):
        measures[f"duplicate_{n}gram_char_ratio"] = _duplicated(found, n, size)
    return measures


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


def gopher_repetition(m: dict[str, Value]) -> bool:
    """Pass if no limit is exceeded."""
    return all(_n(m[name]) <= limit for name, limit in REPETITION_LIMITS.items())


def _is_kept_by_c4(line: str) -> bool:
    lower = line.lower()
    return (
        line.endswith(_C4_MARKS)
        and not line.endswith("...")
        and len(line.split()) >= 5
        and not any(phrase in lower for phrase in _BOILERPLATE)
    )


def web(text: str, lines: Sequence[str], found: Sequence[str]) -> dict[str, Value]:
    """The measures of C4's (Raffel et al. 2020, section 2.2) and FineWeb's rules (2406.17557).

    C4 drops lines and citation marks; here `n_c4_lines` counts the lines that it would keep: they
    end in a terminal mark (not an ellipsis, as its code has it), have five words or more between
    white space and no boilerplate. `n_c4_sentences` counts the sentences in them, which end in
    `.`, `!` or `?` before white space, where C4's code has a trained splitter.
    """
    lower = text.lower()
    kept = [s for line in lines if _is_kept_by_c4(s := _CITATION.sub("", line).strip())]
    return {
        "terminal_line_ratio": _share(sum(s.endswith(TERMINAL_MARKS) for s in lines), len(lines)),
        "short_line_ratio": _share(sum(len(s) < 30 for s in lines), len(lines)),
        "newline_word_ratio": _share(len(_BREAK.findall(text)), len(found)),
        "n_c4_lines": len(kept),
        "n_c4_sentences": sum(max(1, len(_SENTENCE.findall(line))) for line in kept),
        "has_lorem_ipsum": "lorem ipsum" in lower,
        "has_curly_bracket": "{" in text,
    }


def c4_quality(m: dict[str, Value]) -> bool:
    """Pass if C4 would keep three sentences or more and finds no placeholder and no code.

    Of its rules those on bad words, on the language and on repeated spans are other stages'.
    """
    return _n(m["n_c4_sentences"]) >= 3 and not m["has_lorem_ipsum"] and not m["has_curly_bracket"]


def fineweb_quality(m: dict[str, Value]) -> bool:
    """Pass if FineWeb's own three rules hold (2406.17557, section 3.6), and its code's fourth.

    The fourth is the one on line breaks; for repeated lines the code has 0.01 where the paper,
    and this, has 0.1.
    """
    return (
        _n(m["terminal_line_ratio"]) > 0.12
        and _n(m["duplicate_line_char_ratio"]) < 0.1
        and _n(m["short_line_ratio"]) < 0.67
        and _n(m["newline_word_ratio"]) <= 0.3
    )


def measure(text: str) -> dict[str, Value]:
    """All measures of a text, null where they divide by nothing; verdicts are true for a pass."""
    found = words(text)
    every = lines_of(text)
    lines = [line for line in every if line]
    measures = quality(text, lines, found)
    measures |= repetition(text, lines, paragraphs_of(every), found)
    measures |= web(text, lines, found)
    return measures | {
        "gopher_quality": gopher_quality(measures),
        "gopher_repetition": gopher_repetition(measures),
        "c4_quality": c4_quality(measures),
        "fineweb_quality": fineweb_quality(measures),
    }
