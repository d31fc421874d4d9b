"""Pieces of a unigram model, beside all ways to cut a word."""

import itertools
import random
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import pytest
from support.batches import buffers

from pipeline.text.charsmap import SPACE
from pipeline.text.decoding import frozen
from pipeline.text.unigram import LONGEST_WORD, Pieces, cut, make_pieces

SCORES = {SPACE: -3.0, f"{SPACE}ab": -2.1, "a": -2.5, "b": -2.7, "ab": -4.1, "aba": -4.3, "é": -5.0}
UNKNOWN = -15.0


def pieces(charsmap: bytes = b"", *, prefix: bool = True, strips: bool = True) -> Pieces:
    return make_pieces(list(SCORES.items()), charsmap, prefix, strips, min(SCORES.values()))


def cut_texts(model: Pieces, texts: Sequence[str], by_line: bool = True) -> list[str]:
    values, ends = cut(model, *frozen(*buffers(texts)), by_line)
    return [bytes(values[a:b]).decode() for a, b in itertools.pairwise(ends)]


def ways(word: str) -> Iterator[list[str]]:
    """All ways to cut a word."""
    for cuts in itertools.product((False, True), repeat=len(word) - 1):
        found = [word[0]]
        for c, here in zip(word[1:], cuts, strict=True):
            if here:
                found.append(c)
            else:
                found[-1] += c
        yield found


@cache
def likeliest(word: str) -> list[str]:
    """The pieces of a word, unknown characters in a row as one."""

    def score(way: list[str]) -> float:
        return sum(SCORES.get(p, UNKNOWN if len(p) == 1 else -np.inf) for p in way)

    found: list[str] = []
    unknown = False
    for piece in max(ways(word), key=score):
        if piece not in SCORES and unknown:
            found[-1] += piece
        else:
            found.append(piece)
        unknown = piece not in SCORES
    return found


def test_words_are_cut_the_likeliest_way() -> None:
    chance = random.Random(2)
    words = ["".join(chance.choices("abé☃x", (5, 5, 1, 1, 1), k=1 + i % 8)) for i in range(300)]
    lines = [" ".join(chance.choices(words, k=5)) for _ in range(200)]
    expected = [
        "".join(f"{p} " for word in line.split() for p in likeliest(SPACE + word)) for line in lines
    ]
    assert cut_texts(pieces(), lines) == expected
    assert "☃x " in "".join(expected)


def test_spaces_lines_and_empty_texts() -> None:
    texts = ["  ab  a ", "", " ", "ab\n\n b", f"a{SPACE}{SPACE}"]
    assert cut_texts(pieces(), texts) == [
        *(f"{SPACE}ab {SPACE} a ", "", "", f"{SPACE}ab \n\n{SPACE} b ", f"{SPACE} a ")
    ]
    kept = pieces(strips=False, prefix=False)
    assert cut_texts(kept, ["ab  a "]) == [f"ab {SPACE} {SPACE} a {SPACE} "]


def double_array(source: str, place: int) -> bytes:
    """A trie of one character of one byte, in 1024 units."""
    units = np.zeros(1024, "<u4")
    units[0] = 256 << 10
    leaf = 256 ^ ord(source)
    units[leaf] = ord(source) | 1 << 8 | (leaf ^ 900) << 10
    units[900] = 1 << 31 | place
    return units.tobytes()


@pytest.mark.parametrize(("target", "expected"), [("ab", "▁ab b "), (" a", "▁ ▁ab "), ("", "▁ b ")])
def test_characters_are_normalised(target: str, expected: str) -> None:
    trie = double_array("A", 3)
    charsmap = len(trie).to_bytes(4, "little") + trie + b"zz\0" + target.encode() + b"\0"
    found = cut_texts(pieces(charsmap, strips=False), ["Ab"])
    assert found == [expected.replace("▁", SPACE)]


def test_a_word_without_end_is_cut() -> None:
    (found,) = cut_texts(pieces(), ["ab" * LONGEST_WORD])
    assert found.replace(" ", "") == SPACE + "ab" * LONGEST_WORD


def test_batches_do_not_matter() -> None:
    texts = ["ab ba", "aba é\nab", "☃ab", "ab ba"]
    apart = [cut_texts(pieces(), [text])[0] for text in texts]
    assert cut_texts(pieces(), texts) == apart


def test_a_rule_that_points_behind_its_table_writes_nothing() -> None:
    trie = np.zeros(256, "<u4")
    trie[ord("a")], trie[ord("a") ^ 1] = ord("a") | 256 | 1 << 10, 1 << 20
    charsmap = len(trie.tobytes()).to_bytes(4, "little") + trie.tobytes() + b"x\0"
    assert cut_texts(pieces(charsmap), ["ab"]) == [f"{SPACE} b "]
