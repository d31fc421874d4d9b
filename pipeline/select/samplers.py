"""Samplers: from scores and random draws to the order in which documents are taken."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Protocol

import numpy as np
from pydantic import ConfigDict

from pipeline.select.draws import Draws, Floats, draws, gumbel_noise
from pipeline.select.fitted_samplers import Gumbel, PerplexityBand, UpsamplingCurve, copy_keys

__all__ = ["SAMPLERS", "Draws", "Floats", "Sampler", "draws"]

OUT = -np.inf
"""The key of a document that the sampler never takes."""


class Sampler(Protocol):
    """Gives each document a key; within a stratum the largest keys are taken first.

    A key of minus infinity is never taken. A sampler that takes a document several times gives
    several rows of keys, one for each copy. One that has `fit` is given what it returns for a
    document's stratum as a third argument (`pipeline.select.fitted_samplers`).
    """

    method: ClassVar[str]

    def keys(self, scores: Floats, draws: Draws) -> Floats:
        """A key for each document from its score and its draw, of the same length."""
        ...


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """Every document alike: only the hash decides."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    method: ClassVar[str] = "uniform"

    def keys(self, scores: Floats, draws: Draws) -> Floats:
        """One key for all; ties fall to the hash."""
        return np.zeros(len(scores))


@dataclass(frozen=True, kw_only=True)
class TopK:
    """The best first."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    method: ClassVar[str] = "top_k"
    needs_score: ClassVar[bool] = True

    def keys(self, scores: Floats, draws: Draws) -> Floats:
        """The score itself."""
        return scores


@dataclass(frozen=True, kw_only=True)
class BottomK:
    """The lowest score first, as POINTS (2409.04828) takes perplexities."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    method: ClassVar[str] = "bottom_k"
    needs_score: ClassVar[bool] = True

    def keys(self, scores: Floats, draws: Draws) -> Floats:
        """The score, turned."""
        return -scores


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Those whose score is at least `minimum`, all alike."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    method: ClassVar[str] = "threshold"
    needs_score: ClassVar[bool] = True
    minimum: float

    def keys(self, scores: Floats, draws: Draws) -> Floats:
        """One key for all that reach it."""
        return np.where(scores >= self.minimum, 0.0, OUT)


@dataclass(frozen=True, kw_only=True)
class Level:
    """Those with exactly this rating, all alike: DataMan's Overall Score l = 1 to 5."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    method: ClassVar[str] = "level"
    needs_score: ClassVar[bool] = True
    level: float

    def keys(self, scores: Floats, draws: Draws) -> Floats:
        """One key for all that have it."""
        return np.where(scores == self.level, 0.0, OUT)


@dataclass(frozen=True, kw_only=True)
class HighPerplexity:
    """Hard documents more often: those whose mean loss is above `threshold`, without replacement.

    The score is the loss in nats a token, and the weights are lambda exp(loss - threshold) as in
    TLM (2505.20633). A lambda weighs all documents alike, so there is none to be set.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    method: ClassVar[str] = "high_perplexity"
    needs_score: ClassVar[bool] = True
    threshold: float = 3.0

    def keys(self, scores: Floats, draws: Draws) -> Floats:
        """The logarithm of the weight, and Gumbel noise."""
        above = scores - self.threshold
        return np.where(above > 0, above + gumbel_noise(draws), OUT)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """In proportion to a weight, the score raised to `power`; up to `max_copies` of a document.

    With one copy this is sequential Poisson sampling (Ohlsson 1998): what a document is expected to
    be taken follows its weight until it is certain. power: -1 and a commonness give SoftDedup's
    weights (2407.06654); a cluster's size and several copies, FineWeb2's (2506.20920).
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    method: ClassVar[str] = "weights"
    needs_score: ClassVar[bool] = True
    power: float = 1.0
    max_copies: int = 1

    def __post_init__(self) -> None:
        """Refuse a number of copies that takes nothing."""
        if self.max_copies < 1:
            raise ValueError("max_copies must be 1 or more")

    def keys(self, scores: Floats, draws: Draws) -> Floats:
        """A key for each copy; none for a weight that is not above nothing."""
        with np.errstate(all="ignore"):
            weights = np.where(scores > 0, scores**self.power, 0.0)
        return copy_keys(np.where(np.isfinite(weights), weights, 0.0), draws, self.max_copies)


SAMPLERS: MappingProxyType[str, type] = MappingProxyType(
    {
        kind.method: kind
        for kind in (
            Uniform,
            TopK,
            BottomK,
            Threshold,
            Level,
            Gumbel,
            PerplexityBand,
            HighPerplexity,
            UpsamplingCurve,
            Weights,
        )
    }
)
"""The samplers that come with Winnow, by method."""
