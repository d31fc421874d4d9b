"""Scripts, against the names that Unicode gives to characters."""

import unicodedata

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text.script import RANGES, script
from schemas.codes import SCRIPTS


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "Zyyy"),
        ("12:30 -- !? \x00\n", "Zyyy"),
        ("👍🏽 → ∞ × ÷ ¿ «", "Zyyy"),
        ("plain words", "Latn"),
        ("PLAIN 漢字", "Latn"),
        ("Łódź, Škoda, ǆ, ḁ", "Latn"),
        ("это русский", "Cyrl"),
        ("їжак Ѐ Ԁ", "Cyrl"),
        ("Ελληνικά ἀρχή", "Grek"),
        ("עברית", "Hebr"),
        ("العربية", "Arab"),
        ("हिन्दी", "Deva"),
        ("ภาษาไทย", "Thai"),
        ("한국어 ᄒ", "Hang"),
        ("ひらがな", "Hira"),
        ("カタカナ", "Kana"),
        ("漢字 𠀀", "Hani"),
        ("漢字かな", "Hira"),
        ("漢字が", "Hani"),
        ("漢字とかなまじり", "Hira"),
        ("ქართული", "Geor"),
        ("አማርኛ", "Ethi"),
        ("a русский", "Cyrl"),
        ("русс plain", "Latn"),
        ("ab аб", "Latn"),
    ],
)
def test_the_script_of_most_letters(text: str, code: str) -> None:
    assert script(text) == code


def test_every_code_is_in_the_closed_set_and_blocks_are_in_order() -> None:
    assert {name for *_, name in RANGES} | {"Zyyy"} == set(SCRIPTS)
    edges = [edge for first, last, _ in RANGES for edge in (first, last)]
    assert edges == sorted(edges)


def test_letters_have_the_script_that_unicode_says() -> None:
    wrong = {}
    for first, last, code in RANGES:
        pattern = regex.compile(rf"\p{{Script_Extensions={code}}}")
        for point in range(first, min(last, 0x2FFFF) + 1):
            character = chr(point)
            if unicodedata.category(character)[0] == "L" and not pattern.match(character):
                wrong[character] = code
    assert not {c for c in wrong if script(c) != "Zyyy"}


@given(st.text(max_size=80))
@settings(deadline=None)
def test_any_text_has_a_script_of_the_set(text: str) -> None:
    assert script(text) in SCRIPTS
