"""The measures behind the Gopher, C4 and FineWeb rules, for one text at a time."""

import re
from collections import Counter
from collections.abc import Sequence

from pipeline.text.words import words

Value = int | float | bool | None

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
"""Gopher's stop words (Rae et al. 2021, appendix A.1)."""
BULLETS = ("\u2022", "\u2023", "\u25cf", "\u25cb", "-", "*", "\u00b7", "\u25aa")
END_MARKS = (".", "!", "?", '"', "\u201d", "\u2019", "\u2026", "\u3002", "\uff01", "\uff1f")
ELLIPSES = ("...", "\u2026")
_SENTENCE = re.compile(r"[.!?\u3002\uff01\uff1f]+(?:\s|$)")
_PARAGRAPH = re.compile(r"\n{2,}")
_POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies")


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def quality(text: str, found: Sequence[str]) -> dict[str, Value]:
    """The measures of Gopher's quality rules (Rae et al. 2021, appendix A.1, table A1).

    Words are UAX 29 words, where the paper splits at white space; symbols are `#` and ellipses.
    """
    lines = text.splitlines() or [text]
    stripped = [line.strip() for line in lines]
    symbols = text.count("#") + text.count("...") + text.count("\u2026")
    lower = Counter(word.lower() for word in found if len(word) <= 4)
    return {
        "n_words": len(found),
        "n_lines": len(lines),
        "mean_word_length": _share(sum(map(len, found)), len(found)),
        "symbol_word_ratio": _share(symbols, len(found)),
        "bullet_line_ratio": _share(sum(s.startswith(BULLETS) for s in stripped), len(lines)),
        "ellipsis_line_ratio": _share(sum(s.endswith(ELLIPSES) for s in stripped), len(lines)),
        "alphabetic_word_ratio": _share(
            sum(any(map(str.isalpha, word)) for word in found), len(found)
        ),
        "n_stop_words": sum(1 for word in STOP_WORDS if lower[word]),
    }


def gopher_quality(m: dict[str, Value], *, english: bool = True) -> bool:
    """Pass if every rule of Gopher's table A1 holds."""
    return bool(
        50 <= _n(m["n_words"]) <= 100_000
        and 3 <= _n(m["mean_word_length"]) <= 10
        and _n(m["symbol_word_ratio"]) <= 0.1
        and _n(m["bullet_line_ratio"]) <= 0.9
        and _n(m["ellipsis_line_ratio"]) <= 0.3
        and _n(m["alphabetic_word_ratio"]) >= 0.8
        and (_n(m["n_stop_words"]) >= 2 or not english)
    )


def _n(value: Value) -> float:
    return 0.0 if value is None else float(value)


def _repeats(pieces: Sequence[str]) -> tuple[int, int]:
    """How many pieces have come before, and how many characters they have."""
    seen: set[str] = set()
    count = characters = 0
    for piece in pieces:
        if piece in seen:
            count += 1
            characters += len(piece)
        else:
            seen.add(piece)
    return count, characters


def _top(found: Sequence[str], n: int, characters: int) -> float | None:
    """Share of characters in the most frequent n-gram, where it occurs twice or more."""
    if not characters:
        return None
    grams = Counter(zip(*(found[i:] for i in range(n)), strict=False))
    if not grams:
        return 0.0
    most = max(grams.values())
    if most < 2:
        return 0.0
    longest = max(sum(map(len, gram)) for gram, count in grams.items() if count == most)
    return min(1.0, most * longest / characters)


def _duplicated(found: Sequence[str], n: int, characters: int) -> float | None:
    """Share of characters in words that an n-gram covers which has come before."""
    if not characters:
        return None
    seen: set[tuple[str, ...]] = set()
    covered = end = 0
    for start, gram in enumerate(zip(*(found[i:] for i in range(n)), strict=False)):
        if gram in seen:
            first = max(start, end)
            covered += sum(map(len, found[first : start + n]))
            end = start + n
        else:
            seen.add(gram)
    return covered / characters


def repetition(text: str, found: Sequence[str]) -> dict[str, Value]:
    """The measures of Gopher's repetition rules (Rae et al. 2021, appendix A.1).

    Shares of n-grams are of the words' characters; each character counts once.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    paragraphs = [p.strip() for p in _PARAGRAPH.split(text) if p.strip()]
    line_count, line_characters = _repeats(lines)
    paragraph_count, paragraph_characters = _repeats(paragraphs)
    characters = sum(map(len, found))
    measures: dict[str, Value] = {
        "duplicate_line_ratio": _share(line_count, len(lines)),
        "duplicate_line_char_ratio": _share(line_characters, len(text)),
        "duplicate_paragraph_ratio": _share(paragraph_count, len(paragraphs)),
        "duplicate_paragraph_char_ratio": _share(paragraph_characters, len(text)),
    }
    for n in (2, 3, 4):
        measures[f"top_{n}gram_char_ratio"] = _top(found, n, characters)
    for n in range(5, 11):
        measures[f"duplicate_{n}gram_char_ratio"] = _duplicated(found, n, characters)
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
"""Gopher's repetition limits (Rae et al. 2021, appendix A.1): above one of them fails."""


def gopher_repetition(m: dict[str, Value]) -> bool:
    """Pass if no limit is exceeded."""
    return all(_n(m[name]) <= limit for name, limit in REPETITION_LIMITS.items())


def lines_measures(text: str, found: Sequence[str]) -> dict[str, Value]:
    """The measures of C4's (Raffel et al. 2020, section 2.2) and FineWeb's rules (2406.17557).

    C4 drops lines; here a line that it would keep ends in a terminal mark and has three words or
    more, and `n_c4_sentences` counts the sentences of those lines.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lower = text.lower()
    kept = [
        line
        for line in lines
        if line.endswith((".", "!", "?", '"', "\u201d"))
        and not line.endswith("...")
        and len(line.split()) >= 3
        and "javascript" not in line.lower()
        and not any(policy in line.lower() for policy in _POLICIES)
    ]
    seen: set[str] = set()
    characters = len(text.replace("\n", ""))
    repeated = 0
    for line in lines:
        repeated += len(line) if line in seen else 0
        seen.add(line)
    return {
        "terminal_line_ratio": _share(sum(s.endswith(END_MARKS) for s in lines), len(lines)),
        "short_line_ratio": _share(sum(len(s) <= 30 for s in lines), len(lines)),
        "line_char_duplicate_ratio": _share(repeated, characters),
        "newline_word_ratio": _share(text.count("\n"), len(found)),
        "n_c4_lines": len(kept),
        "n_c4_sentences": sum(max(1, len(_SENTENCE.findall(line))) for line in kept),
        "has_lorem_ipsum": "lorem ipsum" in lower,
        "has_curly_bracket": "{" in text,
    }


def c4_quality(m: dict[str, Value]) -> bool:
    """Pass if C4 would keep five sentences or more and finds no placeholder and no code."""
    return _n(m["n_c4_sentences"]) >= 5 and not m["has_lorem_ipsum"] and not m["has_curly_bracket"]


def fineweb_quality(m: dict[str, Value]) -> bool:
    """Pass if FineWeb's three rules of its own, and the limit on short lines, hold."""
    return (
        _n(m["terminal_line_ratio"]) > 0.12
        and _n(m["line_char_duplicate_ratio"]) < 0.1
        and _n(m["short_line_ratio"]) < 0.67
        and _n(m["newline_word_ratio"]) <= 0.3
    )


def measure(text: str) -> dict[str, Value]:
    """All measures of a text, and the four verdicts, where true means pass."""
    found = words(text)
    measures = quality(text, found) | repetition(text, found) | lines_measures(text, found)
    return measures | {
        "gopher_quality": gopher_quality(measures),
        "gopher_repetition": gopher_repetition(measures),
        "c4_quality": c4_quality(measures),
        "fineweb_quality": fineweb_quality(measures),
    }
