"""Samplers that look at their whole stratum first: what they find is frozen in the plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from pydantic import ConfigDict

from pipeline.select.draws import Draws, Floats, gumbel_noise, uniform
from pipeline.select.pools import Pool, ranks

Frozen = Mapping[str, Sequence[float]]
"""What a stratum's pool gave, by name: plain numbers, kept in the manifest."""

Observes = Literal["moments", "ranks"] | None


class FittingSampler(Protocol):
    """A sampler whose keys depend on what is eligible in the document's stratum."""

    method: ClassVar[str]

    @property
    def observes(self) -> Observes:
        """What `fit` looks at; None where the sampler is not fitted as it is set."""
        ...

    def fit(self, pool: Pool) -> Frozen:
        """What `keys` needs to know of a stratum."""
        ...

    def keys(self, scores: Floats, draws: Draws, frozen: Frozen) -> Floats:
        """A key for each document of one stratum."""
        ...


def copy_keys(weights: Floats, draws: Draws, copies: int) -> Floats:
    """Keys by which c copies of a document are taken where weight / cut >= c - 1 + its draw.

    A document is thus taken weight / cut times on the average, rounded up or down, and at most
    `copies` times; the budget finds the cut.
    """
    steps = np.arange(copies)[:, None] + uniform(draws)
    return np.where(weights > 0, weights / steps, -np.inf)


@dataclass(frozen=True, kw_only=True)
class Gumbel:
    """Without replacement, with weights exp(score / temperature): the Gumbel top-k trick.

    Kool et al. 2019 (1903.06059); QuRating (2402.09739), section 3, which first takes off the
    scores' mean and divides by their deviation: `normalise`, here within the stratum.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    method: ClassVar[str] = "gumbel"
    needs_score: ClassVar[bool] = True
    temperature: float = 1.0
    normalise: bool = False

    def __post_init__(self) -> None:
        """Refuse a temperature that divides by nothing."""
        if not self.temperature > 0:
            raise ValueError("temperature must be above 0")

    @property
    def observes(self) -> Observes:
        """The moments, where scores are normalised."""
        return "moments" if self.normalise else None

    def fit(self, pool: Pool) -> Frozen:
        """The mean and the deviation."""
        return {"mean": [pool.mean], "deviation": [pool.deviation]}

    def keys(self, scores: Floats, draws: Draws, frozen: Frozen | None = None) -> Floats:
        """score / temperature + Gumbel noise."""
        if frozen is not None:
            scores = (scores - frozen["mean"][0]) / (frozen["deviation"][0] or 1.0)
        return np.asarray(scores / self.temperature + gumbel_noise(draws), np.float64)


@dataclass(frozen=True, kw_only=True)
class PerplexityBand:
    """The stratum's documents between two ranks of the score, all alike.

    `low`, `medium` and `high` keep the share `rate` as Ankner et al. (2405.20541) do: the lowest,
    those around the median, the highest. `between` names the ranks themselves.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    method: ClassVar[str] = "perplexity_band"
    needs_score: ClassVar[bool] = True
    band: Literal["low", "medium", "high"] | None = None
    rate: float | None = None
    between: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse a band that is named twice, or not at all."""
        if (self.between is None) == (self.band is None) or (self.rate is None) != (
            self.band is None
        ):
            raise ValueError("name `band` and `rate`, or `between`")
        low, high = self.ranks
        if not 0 <= low < high <= 1:
            raise ValueError("`rate` and `between` are shares from 0 to 1, the smaller first")

    @property
    def ranks(self) -> tuple[float, float]:
        """Where the band begins and ends."""
        rate = self.rate or 0.0
        bands = {"low": (0.0, rate), "high": (1 - rate, 1.0)}
        middle = (0.5 - rate / 2, 0.5 + rate / 2)
        return self.between or bands.get(str(self.band), middle)

    @property
    def observes(self) -> Observes:
        """Always the ranks."""
        return "ranks"

    def fit(self, pool: Pool) -> Frozen:
        """The distribution of the scores."""
        return pool.table()

    def keys(self, scores: Floats, draws: Draws, frozen: Frozen) -> Floats:
        """One key for all whose rank is inside."""
        low, high = self.ranks
        found = ranks(scores, frozen)
        return np.where((found >= low) & (found < high), 0.0, -np.inf)


@dataclass(frozen=True, kw_only=True)
class UpsamplingCurve:
    """More copies of better documents: nothing below rank `drop`, above it a curve that rises.

    Dolma 3 (2512.13961): (x - drop)^power exp(growth (x - drop)) of the score's rank x in its
    stratum, scaled so that the budget is met; no document is taken more than `max_copies` times.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    method: ClassVar[str] = "upsampling_curve"
    needs_score: ClassVar[bool] = True
    drop: float = 0.4
    power: float = 1.0
    growth: float = 0.0
    max_copies: int = 7

    def __post_init__(self) -> None:
        """Refuse a curve that takes nothing, or falls."""
        if not (0 <= self.drop < 1 and self.power >= 0 and self.growth >= 0):
            raise ValueError("drop is from 0 to below 1; power and growth are not below 0")
        if self.max_copies < 1:
            raise ValueError("max_copies must be 1 or more")

    @property
    def observes(self) -> Observes:
        """Always the ranks."""
        return "ranks"

    def fit(self, pool: Pool) -> Frozen:
        """The distribution of the scores."""
        return pool.table()

    def keys(self, scores: Floats, draws: Draws, frozen: Frozen) -> Floats:
        """A key for each copy."""
        above = ranks(scores, frozen) - self.drop
        with np.errstate(all="ignore"):
            curve = np.where(above > 0, above**self.power * np.exp(self.growth * above), 0.0)
        return copy_keys(curve, draws, self.max_copies)
