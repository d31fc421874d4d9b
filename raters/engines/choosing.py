"""A reply of a fixed form, made step by step on a model that reads on from where it stands."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from raters.base import Choosing, Chosen, Refused

if TYPE_CHECKING:
    import torch


def choose(request: Choosing, read: "Callable[[Sequence[int]], torch.Tensor]") -> Chosen | Refused:
    """The decisions of a request; what a step forces is read together with what follows it.

    `read` takes the next tokens and gives log p over the whole vocabulary of what comes then.
    """
    picks: list[int] = []
    found: list[list[float]] = []
    unread = list(request.tokens)
    for step in request.steps:
        if len(step) == 1:
            unread.append(step[0])
            continue
        logprobs = read(unread)[list(step)].tolist()
        if any(math.isnan(value) for value in logprobs):
            return Refused(reason="the model gave no number")
        pick = logprobs.index(max(logprobs))
        picks.append(pick)
        found.append(logprobs)
        unread = [step[pick]]
    return Chosen(picks=picks, logprobs=found)
