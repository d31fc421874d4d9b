"""What a rater asks of a model, and what an engine that runs the model owes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Token ids for a model to read, and how many at their end are to be scored."""

    tokens: Sequence[int]
    scored: int
    """Each of the last so many tokens is scored, given all that stand before it."""

    def __post_init__(self) -> None:
        if not 0 < self.scored < len(self.tokens):
            raise ValueError("a request scores at least one token, and never its first")


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """What the model made of a request."""

    nll: float
    """The sum over the scored tokens of -log p(token), in nats."""


class Engine(Protocol):
    """Runs a model: in process, behind a server, on whatever hardware."""

    exact: ClassVar[bool]
    """Whether a request's completion is the same to the last bit whatever else is run with it.

    An engine without this promises the same value within a tolerance that it states.
    """

    def run(self, requests: Sequence[Request]) -> list[Completion]:
        """One completion a request, in the same order."""
        ...
