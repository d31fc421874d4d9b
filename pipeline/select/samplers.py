"""Samplers: from scores and random draws to the order in which documents are taken."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash
from pydantic import ConfigDict

Floats = npt.NDArray[np.float64]
Draws = npt.NDArray[np.uint64]


def draws(seed: int, purpose: str, ids: pa.Array) -> Draws:
    """A uniform 64-bit number for each id, from the hash of seed, purpose and id alone."""
    mixed = xxhash.xxh3_64_intdigest(f"{seed}\0{purpose}".encode())
    digest = xxhash.xxh3_64_intdigest
    return np.fromiter(
        (digest(i.as_buffer(), seed=mixed) for i in ids.cast(pa.binary())), np.uint64, len(ids)
    )


class Sampler(Protocol):
    """Gives each document a key; within a stratum the largest keys are taken first."""

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

    def keys(self, scores: Floats, draws: Draws) -> Floats:
        """The score itself."""
        return scores


@dataclass(frozen=True, kw_only=True)
class Gumbel:
    """Without replacement, with weights exp(score / temperature): the Gumbel top-k trick.

    Kool et al. 2019 (1903.06059); QuRating (2402.09739), section 3, which also normalises the
    scores: do that in the score expression where it is wanted.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    method: ClassVar[str] = "gumbel"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a temperature that divides by nothing."""
        if not self.temperature > 0:
            raise ValueError("temperature must be above 0")

    def keys(self, scores: Floats, draws: Draws) -> Floats:
        """score / temperature + Gumbel noise."""
        # With one bit more the largest draw would be rounded to 1, and its noise infinite.
        uniform = ((draws >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52
        return np.asarray(scores / self.temperature - np.log(-np.log(uniform)), np.float64)


SAMPLERS: MappingProxyType[str, type] = MappingProxyType(
    {"uniform": Uniform, "top_k": TopK, "gumbel": Gumbel}
)
"""The samplers that come with Winnow, by method."""
