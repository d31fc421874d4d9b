"""How a model that writes as it likes comes to a reply of a fixed form.

vLLM can hold a model to a grammar, but then the probabilities that it tells, the `raw` ones too,
are those after the grammar's mask: what the model itself would have given to the allowed tokens is
lost. So no grammar is used. The model writes the whole reply in one go, free in its order but
without any token that the form has nowhere, and the probabilities are its own. Where it departs
from the form, its draft is cut there, the token that the form asks for takes the place, and the
model goes on from it. A model that was trained on the form needs one draft a reply.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from raters.base import Choosing, Chosen

MOST_TOKENS = 128
"""vLLM tells the probabilities of so many named tokens, no more."""


class RefusalError(Exception):
    """A request that gets no answer, and why; its text names nothing of the document."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What a model is asked to write."""

    tokens: Sequence[int]
    """What stands before."""
    length: int
    """So many tokens are to be written."""
    allowed: Sequence[int]
    """No others are written, and of these the probabilities are wanted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What a model wrote."""

    tokens: Sequence[int]
    logprobs: Sequence[Mapping[int, float]]
    """By token written: log p, before any constraint, of the tokens of which it is known."""


async def choose(request: Choosing, write: Callable[[Draft], Awaitable[Written]]) -> Chosen:
    """The model's choices, each given those before it; RefusalError where they can't be had."""
    allowed = sorted({token for step in request.steps for token in step})
    if len(allowed) > MOST_TOKENS:
        raise RefusalError(f"the reply's form has {len(allowed)} tokens, more than {MOST_TOKENS}")
    end = request.decisions[-1] + 1
    reply: list[int] = []
    picks: list[int] = []
    logprobs: list[list[float]] = []
    while len(reply) < end:
        while len(request.steps[len(reply)]) == 1:
            reply.append(request.steps[len(reply)][0])
        draft = Draft(tokens=[*request.tokens, *reply], length=end - len(reply), allowed=allowed)
        written = await write(draft)
        if not written.tokens or len(written.tokens) != len(written.logprobs):
            raise RefusalError("the reply has no tokens, or not each with its probabilities")
        for token, known in zip(written.tokens[: draft.length], written.logprobs, strict=False):
            step = request.steps[len(reply)]
            pick = 0
            if len(step) > 1:
                logprobs.append(_of_step(step, known))
                pick = max(range(len(step)), key=logprobs[-1].__getitem__)
                picks.append(pick)
            reply.append(step[pick])
            if step[pick] != token:
                break
    complete = all(math.isfinite(value) for values in logprobs for value in values)
    return Chosen(picks=picks, logprobs=logprobs, complete=complete)


def _of_step(step: Sequence[int], known: Mapping[int, float]) -> list[float]:
    values = [known.get(token, -math.inf) for token in step]
    if any(math.isnan(value) for value in values) or max(values) == -math.inf:
        raise RefusalError("the model gives no probability to any token that its reply may have")
    return values
