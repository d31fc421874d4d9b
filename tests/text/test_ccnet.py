"""CCNet's normalisation, beside its steps written one after another."""

import itertools
import random
import re
import unicodedata
from collections.abc import Sequence

import pytest
from support.batches import buffers

from pipeline.text.ccnet import PUNCTUATION, normalise
from pipeline.text.decoding import frozen

ODD = "\n\n \t\r\u00a0\u2003ΣΑς１١…—．é한글中İẞ\u0345\u0301\x07\x85\u200b\U000e0101\U0001d160𝟘"


def plain(line: str) -> str:
    """The steps, each over the whole line."""
    line = line.strip().lower()
    bare = [c for c in unicodedata.normalize("NFD", line) if unicodedata.category(c) != "Mn"]
    line = re.sub(r"\d", "0", "".join(bare))
    for mark, ascii_mark in PUNCTUATION.items():
        line = line.replace(mark, ascii_mark)
    return re.sub("[\x00-\x1f\x7f-\x9f]", "", line)


def normalised(texts: Sequence[str], by_line: bool) -> list[str]:
    values, ends = normalise(*frozen(*buffers(texts)), by_line)
    return [bytes(values[a:b]).decode() for a, b in itertools.pairwise(ends)]


def some_texts(count: int) -> list[str]:
    chance = random.Random(5)
    pool = [
        lambda: chr(chance.randrange(32, 127)),
        lambda: chance.choice(ODD),
        lambda: chr(chance.randrange(0xA0, 0x3000)),
        lambda: chr(chance.choice([*range(0x3000, 0xD800), *range(0xE000, 0x11000)])),
    ]
    weights = (6, 3, 3, 1)
    return [
        "".join(chance.choices(pool, weights)[0]() for _ in range(chance.randrange(30)))
        for _ in range(count)
    ]


@pytest.mark.parametrize("by_line", [True, False])
def test_it_is_what_the_steps_give(by_line: bool) -> None:
    texts = some_texts(1500)
    expected = [
        "\n".join(map(plain, text.split("\n"))) if by_line else plain(text) for text in texts
    ]
    assert normalised(texts, by_line) == expected


def test_every_character_becomes_what_the_steps_make_of_it() -> None:
    points = (*range(0xD800), *range(0xE000, 0x30000), *range(0xE0000, 0xE0200))
    texts = [f"x{chr(point)}x" for point in points if point != 10]
    assert normalised(texts, False) == [plain(text) for text in texts]


def test_an_example() -> None:
    (found,) = normalised(["  Élan «2024»…\n\n\tÀ 15 h — OUI ！\r\n"], by_line=True)
    assert found == 'elan "0000"...\n\na 00 h  -  oui !\n'
    # CCNet's scripts normalise a document as one line, so that words at line ends join.
    assert normalised(["One line\nand more"], by_line=False) == ["one lineand more"]
