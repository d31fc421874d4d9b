"""Signals against values worked out by hand, and against slow and plain re-implementations."""

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from support import plain_signals
from support.batches import buffers, measure
from support.plain_words import words

from pipeline.text import signals

Value = plain_signals.Value
PROSE = (
    "The river rose in the night, and by morning the lower fields were gone. "
    "We had to carry the sheep up to the barn with ropes.\n"
    "Nobody slept. My brother counted the lambs twice, for he would not believe it.\n"
    "\n"
    "When it was light we saw what the water had left behind: a door, two chairs and a bell.\n"
    "The bell still hangs over our gate, and children ring it on their way to school.\n"
)  # fmt: skip


def about(value: float) -> Any:
    return pytest.approx(value, abs=1e-12)


def test_lines_end_at_line_feeds_and_carriage_returns_alone() -> None:
    found = measure(" a \r\nb\rc\n\n\x0bd\x0c\u2028e\x85f\x1cg \n")
    assert found["n_lines"] == 4  # a, b, c and one from d to g
    assert measure("a\r\nb\r\rc\n\r")["newline_word_ratio"] == about(5 / 3)
    # "a b", "c" and "a b": a paragraph ends at a line of white space; CR LF is one character
    found = measure("\n\na\r\nb\n \t\n\n c\n\ra\nb")
    assert found["duplicate_paragraph_ratio"] == about(1 / 3)
    assert found["duplicate_paragraph_char_ratio"] == about(3 / 17)


@pytest.mark.parametrize("text", ["", "\n \n", "\x00"])
def test_nothing_divides_by_nothing(text: str) -> None:
    found = measure(text)
    shares = {name: value for name, value in found.items() if name.endswith("_ratio")}
    lines = 1 if text == "\x00" else 0
    assert found["n_lines"] == lines
    of_characters, of_lines = 0.0 if text else None, 0.0 if lines else None
    expected = {
        name: (
            of_characters
            if "char" in name
            else of_lines
            if "line_" in name or "paragraph" in name
            else None
        )
        for name in shares
    }
    expected |= {"short_line_ratio": 1.0 if lines else None, "newline_word_ratio": None}
    assert shares == expected
    assert found["mean_word_length"] is None
    assert (found["gopher_quality"], found["c4_quality"], found["fineweb_quality"]) == (
        False,
        False,
        False,
    )
    assert found["gopher_repetition"] is True


def test_measures_of_quality_by_hand() -> None:
    text = "# The café: 12 eggs...\n- and… tea\n\n\u2022 THE 7th #tag with...\n * of\n"
    found = measure(text)
    # The café 12 eggs and tea THE 7th tag with of: 11 words of 3+4+2+4+3+3+3+3+3+4+2 characters
    assert found["n_words"] == 11
    assert found["mean_word_length"] == about(34 / 11)
    assert found["n_lines"] == 4
    assert found["hash_word_ratio"] == about(2 / 11)
    assert found["ellipsis_word_ratio"] == about(3 / 11)
    assert found["bullet_line_ratio"] == about(3 / 4)
    assert found["ellipsis_line_ratio"] == about(2 / 4)
    assert found["alphabetic_word_ratio"] == about(10 / 11)
    assert found["n_stop_words"] == 4  # the, and, with, of: each once, in any case


def test_word_length_is_in_characters_not_bytes() -> None:
    assert measure("жизнь мир")["mean_word_length"] == about(4)
    assert measure("𠀀 漢字")["mean_word_length"] == about(1)


def test_repeated_lines_and_paragraphs_by_hand() -> None:
    found = measure("aa\nbbb\n\naa\nbbb\n \naa\n")
    # lines aa bbb aa bbb aa: the third to fifth have come before, 7 of all 20 characters
    assert found["duplicate_line_ratio"] == about(3 / 5)
    assert found["duplicate_line_char_ratio"] == about(7 / 20)
    # paragraphs "aa\nbbb" (twice) and "aa": 6 of all 20 characters
    assert found["duplicate_paragraph_ratio"] == about(1 / 3)
    assert found["duplicate_paragraph_char_ratio"] == about(6 / 20)


def test_windows_line_ends_change_no_measure() -> None:
    text = "aa\nbbb\n\naa\nbbb.\n\n\nSome longer line of more words."
    assert measure(text) == measure(text.replace("\n", "\r\n")) == measure(text.replace("\n", "\r"))


def test_repeated_ngrams_by_hand() -> None:
    found = measure("ab cd ef ab cd gh ab cd")
    # "ab cd" three times: 15 of 23 characters; of 3-grams, which come once, the first
    assert found["top_2gram_char_ratio"] == about(15 / 23)
    assert found["top_3gram_char_ratio"] == about(8 / 23)
    # Where occurrences overlap, a character counts once: (ha ha) starts at 0, 1, 2.
    assert measure("ha ha ha ha xxxxxxxx")["top_2gram_char_ratio"] == about(11 / 20)
    # Of two that are as frequent the first counts, be there more characters in the other.
    assert measure("a b a b | long words long words")["top_2gram_char_ratio"] == about(6 / 31)
    # Whatever stands between two words is one character, and nothing none.
    assert measure("ab -- cd, ab cd")["top_2gram_char_ratio"] == about(10 / 15)
    assert measure("字字字")["top_2gram_char_ratio"] == 1.0
    assert measure("one")["top_2gram_char_ratio"] == 0.0
    six = "one two three four five six"
    found = measure(f"{six} {six}")
    # the second run: both its 5-grams have come before, and cover all six words of 22 characters
    assert found["duplicate_5gram_char_ratio"] == about(22 / 55)
    assert found["duplicate_6gram_char_ratio"] == about(22 / 55)
    assert found["duplicate_7gram_char_ratio"] == 0.0
    assert measure("a b c d e")["duplicate_10gram_char_ratio"] == 0.0


def test_line_measures_by_hand() -> None:
    text = "A line of just 30 characters!!\nA line of 29 characters, yes?\n\nNo mark\n彼は行った。"
    found = measure(text)
    assert found["short_line_ratio"] == about(3 / 4)  # shorter than 30
    assert found["terminal_line_ratio"] == about(3 / 4)
    assert found["newline_word_ratio"] == about(4 / len(words(text)))


@pytest.mark.parametrize("mark", ".!?\"'”’…。！？؟।»」")
def test_sentences_end_in_marks_of_many_scripts(mark: str) -> None:
    assert measure(f"word{mark}")["terminal_line_ratio"] == 1.0
    assert measure(f"word{mark} ,")["terminal_line_ratio"] == 0.0


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("One two three four five.", 1),
        ("One two three four.", 0),
        ("One two three four five", 0),
        ("One two three four five...", 0),
        ("One two three. Four five! Six?", 3),
        ('He said "go on." She did not. "Why?"', 3),
        ("It is 3.14 or so, is it?", 1),
        ("One two three four five.[12]", 1),
        ("One two three four five. [citation needed]", 1),
        ("One two three four five.[note]", 0),
        ("Please enable JavaScript to see this.", 0),
        ("See our Terms of Use for that.", 0),
        ("This is our privacy policy for you.", 0),
        ("This is our Cookie Policy for you.", 0),
        ("This good site uses cookies, too.", 0),
        ("We allow the use of cookies here.", 0),
        ("We use cookies on this site.", 0),
        ("They bake cookies on this site.", 1),
    ],
)
def test_lines_and_sentences_that_c4_keeps(line: str, sentences: int) -> None:
    found = measure(f"Menu\n{line}\n")
    assert (found["n_c4_lines"], found["n_c4_sentences"]) == (min(1, sentences), sentences)


def test_prose_passes_and_each_flaw_fails_its_rule() -> None:
    verdicts = ("gopher_quality", "gopher_repetition", "c4_quality", "fineweb_quality")
    assert [measure(PROSE)[name] for name in verdicts] == [True] * 4
    assert not measure(PROSE + "Lorem Ipsum dolor.")["c4_quality"]
    assert not measure(PROSE + "if (x) { y(); }")["c4_quality"]
    assert not measure(PROSE * 2)["gopher_repetition"]
    assert not measure("\n".join(PROSE.split()))["fineweb_quality"]
    assert not measure(PROSE[:200])["gopher_quality"]
    assert not measure(" ".join(word.upper()[::-1] for word in PROSE.split()))["gopher_quality"]


def expected_ngrams(text: str, found: list[str], n: int, top: bool) -> float | None:
    """Marks each character of the text that a repeated n-gram covers, one by one."""
    if not text:
        return None
    spans: list[range] = []
    for word in found:
        start = text.index(word, spans[-1].stop if spans else 0)
        spans.append(range(start, start + len(word)))
    grams = [tuple(found[i : i + n]) for i in range(len(found) - n + 1)]
    best = Counter(grams).most_common(1)[0][0] if grams else ()
    covered: set[int] = set()
    for i, gram in enumerate(grams):
        if gram == best if top else gram in grams[:i]:
            for one, other in itertools.pairwise(spans[i : i + n]):
                covered |= {*one, *other}
                covered |= {one.stop} if top else set()
    return len(covered) / len(text)


def expected_repeats(pieces: list[str], characters: int) -> tuple[float | None, float | None]:
    again = [piece for i, piece in enumerate(pieces) if piece in pieces[:i]]
    return (
        len(again) / len(pieces) if pieces else None,
        len("".join(again)) / characters if characters else None,
    )


TEXTS = st.lists(
    st.sampled_from(
        ["a", "bb", "the", "Of", "#", "...", "…", "\n", "\n\n", "- ", "• ", "12", "é.", '"', "字"]
    ),
    max_size=40,
).map(" ".join)


@given(TEXTS)
@settings(max_examples=400, deadline=None)
def test_measures_are_those_of_a_plain_reimplementation(text: str) -> None:
    found, w = measure(text), words(text)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    groups = [line.strip() for line in text.split("\n")]
    paragraphs = [p.strip("\n") for p in "\n".join(groups).split("\n\n") if p.strip("\n")]
    wanted: dict[str, Value] = {"n_words": len(w), "n_lines": len(lines)}
    for name, part in {
        "hash_word_ratio": len([c for c in text if c == "#"]),
        "ellipsis_word_ratio": len(text.split("...")) - 1 + len(text.split("…")) - 1,
        "alphabetic_word_ratio": len([x for x in w if x.upper() != x.lower() or x == "字"]),
        "newline_word_ratio": len(text.split("\n")) - 1,
    }.items():
        wanted[name] = part / len(w) if w else None
    for name, held in {
        "bullet_line_ratio": [s for s in lines if s[0] in "-•"],
        "ellipsis_line_ratio": [s for s in lines if s[-3:] == "..." or s[-1] == "…"],
        "terminal_line_ratio": [s for s in lines if s[-1] in '."…'],
        "short_line_ratio": [s for s in lines if not s[29:]],
    }.items():
        wanted[name] = len(held) / len(lines) if lines else None
    for name, pieces in {"line": lines, "paragraph": paragraphs}.items():
        by_count, by_character = expected_repeats(pieces, len(text))
        wanted[f"duplicate_{name}_ratio"] = by_count
        wanted[f"duplicate_{name}_char_ratio"] = by_character
    for n in (2, 3, 4):
        wanted[f"top_{n}gram_char_ratio"] = expected_ngrams(text, w, n, top=True)
    for n in range(5, 11):
        wanted[f"duplicate_{n}gram_char_ratio"] = expected_ngrams(text, w, n, top=False)
    assert {name: found[name] for name in wanted} == wanted


# What any of the measures looks at, and what it could be mistaken for.
PIECES = (
    *"aKtheofJ.!?#{[]…\"'’”)- \n\r\t\u2028\x1c\x85•«»。।字คé\u0301\u212aİ١²_",
    *("\r\n", "\n\n", "...", "....", ". ", "[12]", "[edit]", "[Edit]", "[citation needed]", "[٣]"),
    *("lorem ipsum", "Lorem Ips", "JavaScript", "terms of use", "Privacy Policy", "use cookies"),
    *("C\u006fo\u212aie policy", "uses c\u006fo\u212aies", "use of", " cookies", "that", "With"),
    *("one two three four five. ", "one two three four five six", "ten characters", "x y " * 6),
)


@given(st.lists(st.sampled_from(PIECES) | st.characters(exclude_categories=["Cs"])).map("".join))
@settings(max_examples=1500, deadline=None)
def test_the_kernel_measures_what_plain_python_does(text: str) -> None:
    assert measure(text) == plain_signals.measure(text)


def test_the_kernel_measures_real_documents_as_plain_python_does(shared: Path) -> None:
    path = shared / "data" / "corpus" / "mixed.jsonl.zst"
    with zstandard.open(path, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in itertools.islice(lines, 0, None, 50)]
    assert len(texts) > 200
    found = signals.measure(*buffers(texts))
    for row, text in enumerate(texts):
        wanted = plain_signals.measure(text)
        for name, column in found.items():
            is_null = column.is_null is not None and column.is_null[row]
            assert wanted[name] == (None if is_null else column.values[row]), (name, text[:80])


@given(st.text(max_size=200))
@settings(deadline=None)
def test_shares_are_shares(text: str) -> None:
    unbounded = ("hash_word_ratio", "ellipsis_word_ratio", "newline_word_ratio")
    for name, value in measure(text).items():
        if name.endswith("_ratio") and name not in unbounded and value is not None:
            assert 0 <= value <= 1, name


def test_a_megabyte_in_one_word_and_one_line_is_measured() -> None:
    found = measure("ж" * 2**20)
    assert (found["n_words"], found["mean_word_length"]) == (1, 2.0**20)
