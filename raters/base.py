"""What a rater asks of a language model, and what an engine that runs the model owes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from schemas.errors import OutageError, WinnowError


class EngineError(OutageError):
    """An engine is broken, or its server is: no other request would fare better."""


class EngineDiedError(WinnowError):
    """What runs the model died of what it was asked, and begins anew with the next requests."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scoring:
    """Token ids for a model to read, and how many at their end are to be scored."""

    tokens: Sequence[int]
    scored: int
    """Each of the last so many tokens is scored, given all that stand before it."""

    def __post_init__(self) -> None:
        if not 0 < self.scored < len(self.tokens):
            raise ValueError("a request scores at least one token, and never its first")


@dataclass(frozen=True, kw_only=True, slots=True)
class Choosing:
    """A reply of a fixed form, one token a step, each the likeliest of those that its step allows.

    A step that allows a single token is written as it stands; any other one is a decision. What
    stands before a decision is the prompt and all that was written and chosen so far.
    """

    tokens: Sequence[int]
    """The prompt."""
    steps: Sequence[Sequence[int]]
    """By step, the ids of the tokens that it allows."""

    def __post_init__(self) -> None:
        if not self.tokens or not any(len(step) > 1 for step in self.steps):
            raise ValueError("a request has a prompt and at least one decision")

    @property
    def decisions(self) -> list[int]:
        """The places of the steps that are decisions."""
        return [place for place, step in enumerate(self.steps) if len(step) > 1]


Request = Scoring | Choosing


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """What a model made of a Scoring."""

    nll: float
    """The sum over the scored tokens of -log p(token), in nats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """What a model made of a Choosing: its decisions, in order."""

    picks: Sequence[int]
    """By decision, the place of the chosen token in its step; of equals the first."""
    logprobs: Sequence[Sequence[float]]
    """By decision, log p of each token that the step allows, in nats.

    The model's own, at temperature 1 and over its whole vocabulary, before any constraint. -inf
    where an engine learns only the likeliest tokens and this one is not among them.
    """
    complete: bool = True
    """Whether every log p is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """The model, or its server, gave no answer to this request; others are not concerned."""

    reason: str
    """Names no text of the document's."""


Completion = Scored | Chosen | Refused


class Engine(Protocol):
    """Runs a model: in process, behind a server, on whatever hardware."""

    exact: ClassVar[bool]
    """Whether a request's completion is the same to the last bit whatever else is run with it.

    An engine without this promises the same value within a tolerance that it states.
    """

    def run(self, requests: Sequence[Request]) -> list[Completion]:
        """One completion a request, in the same order: Scored or Refused for a Scoring, and so on.

        Raises EngineError, and only where the engine itself is broken.
        """
        ...
