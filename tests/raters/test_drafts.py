"""Replies of a fixed form, against the definition: at each step the likeliest token it allows."""

import asyncio
import hashlib
import math
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raters.base import Choosing, Chosen
from raters.engines.drafts import Draft, RefusalError, Written, choose

VOCABULARY = 12


def model(before: Sequence[int]) -> list[float]:
    """Log probabilities of all tokens after some others, by a formula; many are equal."""
    digest = hashlib.sha256(bytes(before)).digest()
    weights = [1 + digest[token] % 4 for token in range(VOCABULARY)]
    return [math.log(weight / sum(weights)) for weight in weights]


class Writer:
    """Writes as a model does that is held to some tokens only."""

    def __init__(self, told: int = VOCABULARY, follows: Sequence[int] = ()) -> None:
        self.drafts: list[Draft] = []
        self._told = told
        self._follows = follows

    async def write(self, draft: Draft) -> Written:
        self.drafts.append(draft)
        tokens = list(draft.tokens)
        logprobs: list[Mapping[int, float]] = []
        for _ in range(draft.length):
            known = dict(enumerate(model(tokens)))
            place = len(tokens) - 1
            if place < len(self._follows):
                known[self._follows[place]] = 0.0
            likely = sorted(known, key=known.__getitem__, reverse=True)[: self._told]
            logprobs.append({token: known[token] for token in likely})
            # Of equals the last: engines differ there, and what counts is the first of a step.
            tokens.append(max(reversed(draft.allowed), key=known.__getitem__))
        return Written(tokens=tokens[len(draft.tokens) :], logprobs=logprobs)


def defined(request: Choosing) -> tuple[list[int], list[list[float]]]:
    reply: list[int] = []
    picks, logprobs = [], []
    for step in request.steps:
        values = [model([*request.tokens, *reply])[token] for token in step]
        pick = values.index(max(values))
        reply.append(step[pick])
        if len(step) > 1:
            picks.append(pick)
            logprobs.append(values)
    return picks, logprobs


def answer(request: Choosing, writer: Writer) -> Chosen:
    return asyncio.run(choose(request, writer.write))


steps = st.lists(
    st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=5, unique=True),
    min_size=1,
    max_size=12,
).filter(lambda steps: any(len(step) > 1 for step in steps))


@given(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=5), steps)
def test_choices_and_probabilities_are_those_of_the_definition(
    tokens: list[int], allowed: list[list[int]]
) -> None:
    request = Choosing(tokens=tokens, steps=allowed)
    writer = Writer()
    found = answer(request, writer)
    assert (found.picks, found.logprobs) == defined(request)
    assert found.complete
    assert len(writer.drafts) <= len(request.decisions)
    for draft in writer.drafts:
        assert list(draft.tokens[: len(tokens)]) == tokens
        assert len(draft.tokens) + draft.length == len(tokens) + request.decisions[-1] + 1


def test_a_model_that_keeps_to_the_form_writes_one_draft() -> None:
    letters, line, digits = [0, 1, 2], [3], [4, 5, 6, 7, 8]
    request = Choosing(tokens=[9], steps=[letters, *[line, digits] * 14])
    writer = Writer(follows=[1, *[3, 6] * 14])
    assert answer(request, writer).picks == [1, *[2] * 14]
    assert [draft.length for draft in writer.drafts] == [29]


def test_forced_tokens_are_given_and_not_written() -> None:
    request = Choosing(tokens=[9], steps=[[3], [4], [5, 6], [7], [8]])
    writer = Writer()
    answer(request, writer)
    (draft,) = writer.drafts
    assert (list(draft.tokens), draft.length) == ([9, 3, 4], 1)


def test_a_token_of_which_nothing_is_told_is_unknown() -> None:
    request = Choosing(tokens=[9], steps=[[*range(VOCABULARY)]])
    found = answer(request, Writer(told=3))
    picks, logprobs = defined(request)
    assert (found.picks, found.complete) == (picks, False)
    likely = sorted(logprobs[0], reverse=True)[:3]
    assert sorted(filter(math.isfinite, found.logprobs[0]), reverse=True) == likely


def test_a_reply_whose_tokens_are_all_unknown_is_refused() -> None:
    request = Choosing(tokens=[9], steps=[[token, 11] for token in (0, 1)])

    async def write(draft: Draft) -> Written:
        return Written(tokens=[0], logprobs=[{5: -0.1}])

    with pytest.raises(RefusalError, match="no probability"):
        asyncio.run(choose(request, write))


@pytest.mark.parametrize(
    "written",
    [
        Written(tokens=[], logprobs=[]),
        Written(tokens=[0], logprobs=[]),
        Written(tokens=[0], logprobs=[{0: math.nan, 1: -1.0}]),
    ],
)
def test_a_broken_reply_is_refused(written: Written) -> None:
    async def write(draft: Draft) -> Written:
        return written

    with pytest.raises(RefusalError):
        asyncio.run(choose(Choosing(tokens=[9], steps=[[0, 1]]), write))


def test_a_form_of_too_many_tokens_is_refused() -> None:
    with pytest.raises(RefusalError, match="129 tokens"):
        answer(Choosing(tokens=[9], steps=[[*range(129)]]), Writer())
