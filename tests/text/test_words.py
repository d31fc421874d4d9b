"""Words against the rules of UAX 29, applied one by one."""

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from support.batches import kernel_words as words

CLASSES = (
    *("CR", "LF", "Newline", "Extend", "ZWJ", "Regional_Indicator", "Format", "Katakana"),
    *("Hebrew_Letter", "ALetter", "Single_Quote", "Double_Quote", "MidNumLet", "MidLetter"),
    *("MidNum", "Numeric", "ExtendNumLet", "WSegSpace"),
)
_PATTERNS = {name: regex.compile(rf"\p{{Word_Break={name}}}") for name in CLASSES}
_PICTURE = regex.compile(r"\p{Extended_Pictographic}")
BREAKS = {"CR", "LF", "Newline"}
LETTERS = {"ALetter", "Hebrew_Letter"}
JOINED = {
    *((left, right) for left in LETTERS for right in LETTERS),  # WB5
    ("Numeric", "Numeric"),  # WB8
    *((letter, "Numeric") for letter in LETTERS),  # WB9
    *(("Numeric", letter) for letter in LETTERS),  # WB10
    ("Katakana", "Katakana"),  # WB13
    ("ExtendNumLet", "ExtendNumLet"),  # WB13a and b
    *((kind, "ExtendNumLet") for kind in (*LETTERS, "Numeric", "Katakana")),
    *(("ExtendNumLet", kind) for kind in (*LETTERS, "Numeric", "Katakana")),
    ("Hebrew_Letter", "Single_Quote"),  # WB7a
}
MIDDLE = {"MidLetter", "MidNumLet", "Single_Quote"}
MIDDLE_OF_NUMBERS = {"MidNum", "MidNumLet", "Single_Quote"}


def break_class(character: str) -> str:
    return next((name for name in CLASSES if _PATTERNS[name].match(character)), "Other")


def segments(text: str) -> list[str]:
    """UAX 29's rules WB1 to WB999, read off the annex."""
    kinds = [break_class(c) for c in text]
    found = [text[:1]] if text else []
    for at in range(1, len(text)):
        if _joined(text, kinds, at):
            found[-1] += text[at]
        else:
            found.append(text[at])
    return found


def _joined(text: str, kinds: list[str], at: int) -> bool:
    left, right = kinds[at - 1], kinds[at]
    if left in BREAKS or right in BREAKS:
        return (left, right) == ("CR", "LF")  # WB3, WB3a, WB3b
    if left == "ZWJ" and _PICTURE.match(text[at]):
        return True  # WB3c
    if left == right == "WSegSpace":
        return True  # WB3d
    ignored = {"Extend", "Format", "ZWJ"}
    if right in ignored:
        return True  # WB4
    before = [kind for kind in _since_break(kinds[:at]) if kind not in ignored]
    after = [kind for kind in kinds[at:] if kind not in ignored]
    first = _since_break(kinds[:at])[0] in ignored
    before = ["Other", *before] if first else before
    return _rules(before, after)


def _since_break(kinds: list[str]) -> list[str]:
    last = max((i for i, kind in enumerate(kinds) if kind in BREAKS), default=-1)
    return kinds[last + 1 :]


def _rules(before: list[str], after: list[str]) -> bool:
    left, right = before[-1], after[0]
    further = after[1] if len(after) > 1 else ""
    earlier = before[-2] if len(before) > 1 else ""
    if (left, right) in JOINED:
        return True
    if left in LETTERS and right in MIDDLE and further in LETTERS:
        return True  # WB6
    if earlier in LETTERS and left in MIDDLE and right in LETTERS:
        return True  # WB7
    if (left, right, further) == ("Hebrew_Letter", "Double_Quote", "Hebrew_Letter"):
        return True  # WB7b
    if (earlier, left, right) == ("Hebrew_Letter", "Double_Quote", "Hebrew_Letter"):
        return True  # WB7c
    if earlier == right == "Numeric" and left in MIDDLE_OF_NUMBERS:
        return True  # WB11
    if left == further == "Numeric" and right in MIDDLE_OF_NUMBERS:
        return True  # WB12
    flags = len(before) - len(_strip_end(before, "Regional_Indicator"))
    return right == "Regional_Indicator" and flags % 2 == 1  # WB15, WB16


def _strip_end(kinds: list[str], kind: str) -> list[str]:
    while kinds and kinds[-1] == kind:
        kinds = kinds[:-1]
    return kinds


_ALONE = regex.compile(r"[\p{Script=Han}\p{Script=Hira}\p{Script=Kana}\p{Script=Thai}ー\uff70]")


def expected(text: str) -> list[str]:
    """The definition: segments with a letter or digit; Han, kana and Thai one by one."""
    found: list[str] = []
    for segment in segments(text):
        pieces = [""]
        for character in segment:
            marks = regex.match(r"[\p{M}\uff9e\uff9f]", character)
            alone = bool(_ALONE.match(character)) and not (marks and _ALONE.match(pieces[-1][:1]))
            follows = bool(_ALONE.match(pieces[-1][:1])) and not marks
            if alone or follows:
                pieces.append("")
            pieces[-1] += character
        found += [piece for piece in pieces if regex.search(r"[\p{L}\p{N}]", piece)]
    return found


# A few characters of every class and of every script that is treated apart.
MIXED = (
    "\r\n\x0b\x85\u2028\u0308\u0301\ufe0f\u200d\U0001f1e6\U0001f1fa\u00ad\u200e\uff76カター\uff70\uff9e"
    "אבב\u05b8aZéßžжω\u0627\u0644कि'\"“”.․‘’:·״,;٬0９٣½_‿ \u3000\u2009()#-—。、・漢字々〇〆"
    "ひらがภาษาำ๓한글ㄱ\u1100\u1161ລາວខ្មែរမြန်မာ\U0001f468\U0001f469❤©👍\U0001f3fb\u200b\x00\ufffd\U00020000"
)
TEXTS = st.lists(
    st.sampled_from(MIXED) | st.characters(exclude_categories=["Cs"]), max_size=12
).map("".join)


@given(TEXTS)
@settings(max_examples=600, deadline=None)
def test_words_are_uax_29s(text: str) -> None:
    assert words(text) == expected(text)


@given(st.text("aZ09_.,:;'\"-# \r\n\t\x00@"))
@settings(max_examples=300, deadline=None)
def test_words_of_ascii_are_uax_29s(text: str) -> None:
    assert words(text) == expected(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" \n\t", []),
        ("-- *** ... __ 👍", []),
        ("can't e.g. U.S.A.", ["can't", "e.g", "U.S.A"]),
        ("it’s l’été aujourd'hui", ["it’s", "l’été", "aujourd'hui"]),
        ("3.14 1,000,000.5 12:30", ["3.14", "1,000,000.5", "12", "30"]),
        ("1.a a.1 a:b 5;6", ["1", "a", "a", "1", "a:b", "5;6"]),
        ("snake_case _x_ co-op a/b", ["snake_case", "_x_", "co", "op", "a", "b"]),
        ("e\u0301cole Å n\u0303", ["e\u0301cole", "Å", "n\u0303"]),
        ("漢字とカタカナー", ["漢", "字", "と", "カ", "タ", "カ", "ナ", "ー"]),
        ("すごーーい ｺｰｰ", ["す", "ご", "ー", "ー", "い", "ｺ", "ｰ", "ｰ"]),
        ("か\u3099ｶﾞ", ["か\u3099", "ｶﾞ"]),
        ("ภาษา", ["ภ", "า", "ษ", "า"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("iPhone手机", ["iPhone", "手", "机"]),
        ("안녕하세요 세계", ["안녕하세요", "세계"]),
        ("\u1112\u1161\u11ab", ["\u1112\u1161\u11ab"]),
        ('שלום צה"ל', ["שלום", 'צה"ל']),
        ("مرحبا بالعالم ٣٫١٤", ["مرحبا", "بالعالم", "٣٫١٤"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("👨\u200d👩\u200d👧 👍🏽 1\ufe0f\u20e3", ["1\ufe0f\u20e3"]),
        ("a\u200db c\u00add e\u200bf", ["a\u200db", "c\u00add", "e", "f"]),
        ("\x00a\x00b", ["a", "b"]),
        ("½ ² Ⅷ", ["½", "²", "Ⅷ"]),
        ('א"ב א"a a"b', ['א"ב', "א", "a", "a", "b"]),
        # The half width mark is a letter that extends what is before it, whatever that is.
        (" \uff9e  \uff9e", [" \uff9e", "  \uff9e"]),
        (" \u0301 \uff9e", [" \uff9e"]),
        ("\U0001f1fa\U0001f1f8\U0001f1fa\uff9e", ["\U0001f1fa\uff9e"]),
        ("\n\u0301a \u0301a", ["a", "a"]),
        ("a\u200d❤b a❤", ["a\u200d❤", "b", "a"]),
    ],
)
def test_words_of_many_scripts(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_one_word_of_a_megabyte_is_one_word() -> None:
    assert words("a" * 2**20) == ["a" * 2**20]
    assert len(words("ж" * 2**20)) == 1
    assert len(words("漢" * 2**16)) == 2**16
