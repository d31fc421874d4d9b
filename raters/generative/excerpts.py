"""What of a document a model gets to read: its two ends, or all of it in windows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from raters.generative.labels import Lang

LongDocuments = Literal["truncate", "windows"]
"""What is done with a document that is longer than a request can hold."""

Encode = Callable[[str], list[int]]


@dataclass(frozen=True)
class Budget:
    """How much of a document one request holds."""

    tokens: int
    characters: int
    """Of a longer text only the first and the last half of so many are cut into tokens."""

    def resized(self, tokens: int) -> "Budget":
        """A budget of other tokens, and of characters in proportion."""
        return Budget(tokens, max(2, round(self.characters * tokens / self.tokens)))


BUDGETS: Mapping[Lang, Budget] = MappingProxyType(
    {"en": Budget(1894, 20_000), "zh": Budget(1896, 60_000)}
)
"""DataMan's."""


@dataclass(frozen=True)
class Excerpt:
    """The tokens of a document that a model reads, in one window or several."""

    windows: Sequence[Sequence[int]]
    weights: Sequence[int]
    """By window, how many tokens of the document it holds."""
    total: int
    """How many tokens the document has."""

    @property
    def rated(self) -> int:
        """How many of the document's tokens are read."""
        return sum(self.weights)


def cut(text: str, encode: Encode, budget: Budget) -> Excerpt:
    """The whole text if it fits; else its beginning and its end, with `...` between them."""
    half = budget.characters // 2
    long = len(text) > budget.characters
    tokens = encode(text[:half]) + encode(text[-half:]) if long else encode(text)
    # The middle is counted all the same: else nobody could tell how little was read.
    total = len(encode(text)) if long else len(tokens)
    if len(tokens) <= budget.tokens:
        return Excerpt([tokens], [len(tokens)], total)
    ends = budget.tokens // 2
    return Excerpt([tokens[:ends] + encode("...") + tokens[-ends:]], [2 * ends], total)


def windows(text: str, encode: Encode, budget: Budget) -> Excerpt:
    """All of a text, window after window."""
    tokens = encode(text)
    starts = range(0, len(tokens), budget.tokens)
    found = [tokens[start : start + budget.tokens] for start in starts]
    return Excerpt(found, [len(window) for window in found], len(tokens))
