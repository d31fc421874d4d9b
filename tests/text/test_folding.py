"""Characters folded in the kernel, against `unicodedata`."""

import unicodedata

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.batches import buffers

from pipeline.text.folding import SLACK, fold, folds, normalise


def expected(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def folded(text: str) -> str | None:
    """What the kernel makes of a text; None where it leaves it to Python."""
    values, ends = buffers([text])
    points = np.zeros(len(values) + SLACK, np.uint32)
    count = fold(values, 0, int(ends[1]), folds(), points)
    return None if count < 0 else "".join(map(chr, points[:count]))


def test_every_character_folds_to_what_python_makes_of_it() -> None:
    left = 0
    for point in (*range(0xD800), *range(0xE000, 0x33480), *range(0xE0000, 0xE0200)):
        found = folded(chr(point))
        left += found is None
        assert found is None or found == expected(chr(point)), hex(point)
    assert left < 20


MARKS = [chr(c) for c in range(0x300, 0x3400) if unicodedata.combining(chr(c))]
COMPOSED = [chr(c) for c in range(0xC0, 0x3400) if unicodedata.decomposition(chr(c))]
PIECES = (
    st.sampled_from(MARKS)
    | st.sampled_from(COMPOSED)
    | st.sampled_from("aeAEoUidnनरডকো가각\u1100\u1161\u11a8ßİſK²ﬁ①Ａｱ\uff9e")
    | st.characters(exclude_categories=["Cs"])
)


@example("a\u0334\u0301")  # joined over the mark between them
@example("a\u0302\u0323")
@example("\u1100\u1161\u11a8")
@given(st.lists(PIECES, max_size=5).map("".join))
@settings(max_examples=2000, deadline=None)
def test_what_the_kernel_folds_is_what_python_folds(text: str) -> None:
    assert folded(text) in (None, expected(text))


def test_ordinary_text_takes_the_kernel_alone() -> None:
    for text in (
        "Plain Words",
        "Düsseldorf, ŒUVRE, Straße",
        "Tiếng Việt có dấu",
        "Съешь ещё этих булок",
        "ΑΘΉΝΑΣ και ύδωρ",
        "مرحبا بالعالم",
        "नमस्ते दुनिया, पढ़ना",
        "ภาษาไทย กำลังที่นี่",
        "漢字とカタカナ ﾊﾛｰ ＡＢＣ",
        "한국어 문장",
        "E\u0301cole de\u0301ja\u0300",
        "\u09ac\u09be\u0982\u09b2\u09be \u09ad\u09be\u09b2\u09c7\u09be",
        "\u03b9\u0308\u0301 \u1e68 s\u0323\u0307",
    ):
        assert folded(text) == expected(text)


def test_text_that_grows_beyond_its_bytes_is_left_to_python() -> None:
    assert folded("\ufdfa" * 3) == expected("\ufdfa" * 3)
    assert folded("\ufdfa" * 100) is None
    values, ends = normalise(*buffers(["a", "\ufdfa" * 100, "E\u0301"]), np.array([1, 2]))  # type: ignore[arg-type]
    assert bytes(values).decode() == expected("\ufdfa" * 100) + "é"
    assert ends[1] == len(values) - 2
