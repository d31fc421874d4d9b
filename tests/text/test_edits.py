"""Edits by ranges against edits code point by code point."""

from hypothesis import given, settings
from hypothesis import strategies as st
from support.plain_edits import Plain, edited

from pipeline.text.edits import EditedText, Redaction, edit_text, merged

TEXTS = st.lists(
    st.sampled_from(["a", "é", "e\u0301", "𝔘", "👩‍👩‍👧", "\r\n", "\n", "字", " "]), max_size=12
).map("".join) | st.text(max_size=12)


@st.composite
def ranges(draw: st.DrawFn, size: int) -> list[Plain]:
    ends = st.tuples(st.integers(0, size), st.integers(0, size)).map(lambda p: (min(p), max(p)))
    return draw(st.lists(ends, max_size=5))


@given(st.data(), TEXTS)
@settings(max_examples=500, deadline=None)
def test_edits_are_those_of_plain_python(data: st.DataObject, text: str) -> None:
    lines = data.draw(st.none() | ranges(len(text)))
    substrings = data.draw(ranges(len(text)))
    marks = data.draw(ranges(len(text)))
    kinds = data.draw(st.lists(st.sampled_from(["", "<a>", "<b>"]), min_size=5, max_size=5))
    redactions = [(start, end, kind) for (start, end), kind in zip(marks, kinds, strict=False)]
    found = edit_text(text, lines, substrings, [Redaction(*r) for r in redactions])
    assert found == EditedText(*edited(text, lines, substrings, redactions))
    taken = found.by_lines + found.by_substrings + found.by_redaction
    if not redactions:
        assert len(found.text) == len(text) - taken


@given(st.data(), TEXTS)
@settings(max_examples=100, deadline=None)
def test_order_and_overlaps_of_ranges_do_not_matter(data: st.DataObject, text: str) -> None:
    found = data.draw(ranges(len(text)))
    one = edit_text(text, found, found[:2])
    assert one == edit_text(text, merged(found), merged(found[:2]))
    assert one == edit_text(text, found[::-1], [*found[:2], *found[:2]])


def test_no_edit_leaves_the_text() -> None:
    assert edit_text("a\r\nb") == EditedText("a\r\nb", 0, 0, 0)
    assert edit_text("a\r\nb", lines=[]) == EditedText("", 4, 0, 0)
    assert edit_text("", [(0, 0)], [(0, 0)], [Redaction(0, 0, "x")]) == EditedText("", 0, 0, 0)


def test_edits_are_applied_in_their_order() -> None:
    text = "keep me\nmail a@b.c now\ndrop d@e.f\n"
    found = edit_text(
        text, [(0, 8), (8, 23)], [(4, 7)], [Redaction(13, 18, "<email>"), Redaction(28, 33, "!")]
    )
    assert found == EditedText("keep\nmail <email> now\n", 11, 3, 5)


def test_a_redaction_cut_in_two_is_replaced_once_and_neighbours_each() -> None:
    assert edit_text("0123456789", None, [(3, 5)], [Redaction(2, 7, "_")]).text == "01_789"
    assert edit_text("0123456789", None, [(0, 4)], [Redaction(2, 7, "_")]).text == "_789"
    assert edit_text("0123", None, [], [Redaction(0, 2, "a"), Redaction(2, 4, "b")]).text == "ab"
    assert edit_text("0123", None, [], [Redaction(1, 4, "b"), Redaction(0, 2, "a")]).text == "a"
