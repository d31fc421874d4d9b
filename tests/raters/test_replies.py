"""The forms of replies: what is written is read back, anything else is not, under any tokenizer."""

import json
import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raters.criteria import CRITERIA
from raters.generative.replies import (
    DOMAIN,
    ReplyError,
    ReplyForm,
    SpellingError,
    as_json,
    compact,
    spell,
)

ALL = (DOMAIN, *CRITERIA)
GRAMMAR = re.compile(r"[A-O](\n[1-5]){14}")
FORMS = [make(names) for make in (compact, as_json) for names in (ALL, ALL[:1], ALL[-1:])]


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
def test_what_is_written_is_read_back(form: ReplyForm, data: st.DataObject) -> None:
    picks = [data.draw(st.integers(0, len(each.options) - 1)) for each in form.decisions]
    assert form.parse(form.write(picks)) == picks


@given(st.lists(st.integers(0, 4), min_size=14, max_size=14), st.integers(0, 14))
def test_the_compact_form_is_datamans_grammar(scores: list[int], domain: int) -> None:
    written = compact(ALL).write([domain, *scores])
    assert GRAMMAR.fullmatch(written)
    lines = written.split("\n")
    assert lines[0] == "ABCDEFGHIJKLMNO"[domain]
    assert [int(line) for line in lines[1:]] == [score + 1 for score in scores]


@given(st.from_regex(GRAMMAR, fullmatch=True))
def test_all_of_datamans_grammar_is_read(reply: str) -> None:
    if not reply.endswith("\n"):
        assert compact(ALL).write(compact(ALL).parse(reply)) == reply


def test_the_json_form_is_an_object_in_the_order_of_the_criteria() -> None:
    found = json.loads(as_json(ALL).write([7, *range(5), *range(5), *range(4)]))
    assert list(found) == list(ALL)
    assert list(found.values()) == ["H", 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4]


GOOD = "H\n" + "\n".join("12345123451234")
# A published segment of zeros, rated so by a released checkpoint.
ZEROS = "H\n" + "0\n" * 10 + "1\n0\n5\n0"


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (ZEROS, "accuracy is not one of 1, 2, 3, 4, 5"),
        (GOOD.replace("H", "P"), "domain is not one of A, B"),
        (GOOD.replace("H", "h"), "domain is not one of"),
        (GOOD.replace("H", "Medicine"), "domain is not one of"),
        (GOOD[:-1] + "6", "overall_score is not one of"),
        (GOOD[:-1] + "٣", "overall_score is not one of"),
        (GOOD[:-1] + "4.5", "does not have its form"),
        (GOOD[:-1] + "-1", "does not have its form"),
        (GOOD[:-2], "does not have its form"),
        (GOOD + "\n", "does not have its form"),
        (GOOD + "\n1", "does not have its form"),
        (" " + GOOD, "does not have its form"),
        (GOOD.replace("\n", "\r\n"), "does not have its form"),
        (GOOD.replace("\n", "/5\n"), "does not have its form"),
        ("", "does not have its form"),
    ],
)
def test_anything_else_is_no_reply(reply: str, told: str) -> None:
    assert compact(ALL).parse(GOOD)[:3] == [7, 0, 1]
    with pytest.raises(ReplyError, match=told):
        compact(ALL).parse(reply)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda reply: reply.replace('"accuracy": 1', '"accuracy": 0'),
        lambda reply: reply.replace('"accuracy": 1', '"accuracy": "1"'),
        lambda reply: reply.replace('"accuracy": 1', '"accuracy": true'),
        lambda reply: reply.replace('"accuracy": 1', '"accuracy": 1, "accuracy": 5'),
        lambda reply: reply.replace('"accuracy": 1, ', ""),
        lambda reply: reply + " and more",
        lambda reply: "```json\n" + reply + "\n```",
        lambda reply: reply[:-1],
    ],
)
def test_json_that_is_not_the_form_is_no_reply(spoil: Callable[[str], str]) -> None:
    written = as_json(ALL).write([0] * 15)
    assert as_json(ALL).parse(written) == [0] * 15
    with pytest.raises(ReplyError):
        as_json(ALL).parse(spoil(written))


@given(st.text(max_size=60))
def test_nothing_of_a_reply_is_told_in_its_error(reply: str) -> None:
    with pytest.raises(ReplyError) as raised:
        compact(ALL).parse("\x01" + reply)
    assert str(raised.value) == "the reply does not have its form"


@pytest.mark.parametrize("form", FORMS)
def test_the_steps_write_every_reply(form: ReplyForm) -> None:
    steps = spell(form, letters, "before")
    decisions = [step for step in steps if len(step) > 1]
    assert [len(step) for step in decisions] == [len(each.options) for each in form.decisions]
    for place in (0, 2, -1):
        told = "".join(chr(step[place if len(step) > 1 else 0]) for step in steps)
        picks = [range(len(each.options))[place] for each in form.decisions]
        assert told + form.literals[-1] == form.write(picks)


def joining(*pairs: str) -> Callable[[str], Sequence[int]]:
    """An encoder of letters that takes each of these strings as one token."""
    pattern = re.compile("|".join([*map(re.escape, pairs), "(?s:.)"]))

    def encode(text: str) -> Sequence[int]:
        return [int.from_bytes(piece.encode(), "big") for piece in pattern.findall(text)]

    return encode


@pytest.mark.parametrize(
    ("pairs", "form", "told"),
    [
        (["\n1"], compact(ALL), "1, 2, 3, 4, 5 of accuracy are not one token each"),
        (["A\n"], compact(ALL), "a token reaches over the beginning of accuracy"),
        (["eA"], compact(ALL), "of domain are not one token each"),
        ([f"e{letter}" for letter in "ABCDEFGHIJKLMNO"], compact(ALL), "the beginning of domain"),
        (['"O'], as_json(ALL), "A, B, .* of domain are not one token each"),
        (["O\n"], compact(ALL), "a token reaches over the beginning of accuracy"),
    ],
)
def test_a_tokenizer_that_joins_is_refused(pairs: list[str], form: ReplyForm, told: str) -> None:
    with pytest.raises(SpellingError, match=told):
        spell(form, joining(*pairs), "before")


def test_a_space_may_belong_to_the_digit() -> None:
    encode = joining(*(f" {digit}" for digit in "12345"))
    steps = spell(as_json(ALL[1:]), encode, "before")
    assert steps[len('{"accuracy":')] == [0x2031, 0x2032, 0x2033, 0x2034, 0x2035]


CUTS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "qwen2": r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+",
    "llama3": r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+",
}
"""How well-known families of models cut a text before it becomes tokens."""


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("before", ["<|im_start|>assistant\n", "<start>model\n", "</user>\n\n"])
def test_tokenizers_that_learned_the_form_by_heart_still_spell_it(
    cut: str, form: ReplyForm, before: str
) -> None:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CUTS[cut]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|im_start|>"],
        show_progress=False,
    )
    replies = [each.write([n % 5] * len(each.decisions)) for n in range(15) for each in FORMS]
    tokenizer.train_from_iterator([before + reply for reply in replies], trainer)

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    steps = spell(form, encode, before)
    written = "".join(form.write([0] * len(form.decisions)))
    whole = encode(before + written.removesuffix(form.literals[-1]))
    assert whole == [*encode(before), *(step[0] for step in steps)]


def test_options_that_share_a_token_are_refused() -> None:
    with pytest.raises(SpellingError, match="not one token each"):
        spell(compact(ALL), lambda text: [min(ord(letter), 52) for letter in text], "")


@pytest.mark.parametrize(
    "swap",
    [
        lambda text: text.replace("3", "3\u0301"),  # two tokens, of which the first is its own
        lambda text: text.replace("\n3", "\u03013"),  # other tokens before it than before the rest
    ],
)
def test_a_digit_that_is_not_one_token_after_the_same_ones_is_refused(
    swap: Callable[[str], str],
) -> None:
    with pytest.raises(SpellingError, match="of accuracy are not one token each"):
        spell(compact(ALL), lambda text: letters(swap(text)), "x")


def test_a_digit_that_depends_on_the_one_before_is_refused() -> None:
    def encode(text: str) -> list[int]:
        found = [ord(letter) for letter in text]
        return [9 if token == 10 and found[place - 1] == 53 else token
                for place, token in enumerate(found)]  # fmt: skip

    with pytest.raises(SpellingError, match="other tokens where another one stands before"):
        spell(compact(ALL), encode, "x")
