"""The student: a small linear rater of a text's view, from an artefact of plain arrays.

It adds the weights of the view's n-grams (their TF-IDF vector has length one) and of the measures
of its style to a score for each criterion, and to one for each domain. A criterion's probabilities
are a proportional odds model of its score (McCullagh 1980); a domain's are a softmax of its score
and of how many of its words the text has.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.io.shipped import shipped
from raters.criteria import CRITERIA, DOMAINS, SCALE
from raters.grams import BITS, Buckets, Floats, count_grams
from raters.lexicon import DOMAIN_WORDS
from raters.style import DOMAIN_COUNTS, DOMAIN_SHARES, measure_style
from raters.view import student_view

SHIPPED = shipped("raters", "student.npz")
"""The artefact that comes with Winnow; the card lies beside it."""
FORMAT = 1
"""Raised whenever a text's features change; an artefact of another format is refused."""
LIMIT = 3.0
"""A measure of style counts up to so many deviations from its mean."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Features:
    """All that the student knows of a text."""

    buckets: Buckets
    counts: Floats
    style: Floats


def featurise(text: str) -> Features:
    """The features of a text's view."""
    view = student_view(text)
    return Features(*count_grams(view), measure_style(view))


def domain_evidence(style: Floats) -> Doubles:
    """By domain, the share of its words in the text, and how many distinct ones there are."""
    found = np.zeros((len(DOMAINS), 2))
    for column, place in enumerate((DOMAIN_SHARES, DOMAIN_COUNTS)):
        found[: len(DOMAIN_WORDS), column] = style[place]
    return found


@dataclass(frozen=True)
class Rating:
    """Probabilities of the five scores by criterion, and of the domains."""

    scores: Doubles
    domains: Doubles


@dataclass(frozen=True)
class Student:
    """The arrays of an artefact, and what follows from them for a text."""

    languages: npt.NDArray[np.str_]
    buckets: Buckets
    idf: npt.NDArray[np.float16]
    gram_weights: npt.NDArray[np.float16]
    style_mean: Floats
    style_scale: Floats
    style_weights: Floats
    offset: Floats
    slopes: Doubles
    cuts: Doubles
    domain_terms: Doubles
    domain_bias: Doubles

    @cached_property
    def _rows(self) -> npt.NDArray[np.int32]:
        """By bucket, its row of weights; -1 where it has none."""
        rows = np.full(2**BITS, -1, np.int32)
        rows[self.buckets] = np.arange(len(self.buckets), dtype=np.int32)
        return rows

    @cached_property
    def _grams(self) -> tuple[Floats, Floats]:
        return self.idf.astype(np.float32), self.gram_weights.astype(np.float32)

    def score(self, features: Features) -> Doubles:
        """One number for each criterion, then one for each domain."""
        idf, weights = self._grams
        rows = self._rows[features.buckets]
        known = rows >= 0
        rows = rows[known]
        values = features.counts[known] * idf[rows]
        style = np.clip((features.style - self.style_mean) / self.style_scale, -LIMIT, LIMIT)
        # einsum adds in one order, whatever the threads of BLAS; the length is at least a hair.
        length = np.sqrt(np.einsum("i,i->", values, values)) + np.float32(1e-9)
        grams = np.einsum("i,ij->j", values / length, weights[rows])
        scores = grams + np.einsum("i,ij->j", style, self.style_weights) + self.offset
        return np.asarray(scores, np.float64)

    def rate_features(self, features: Features) -> Rating:
        """The rating of a text with these features."""
        scores = self.score(features)
        n = len(CRITERIA)
        above = 1 / (1 + np.exp(-(self.slopes[:, None] * scores[:n, None] + self.cuts)))
        edges = np.hstack([np.ones((n, 1)), above, np.zeros((n, 1))])
        terms = np.hstack([scores[n:, None], domain_evidence(features.style)])
        logits = np.einsum("ij,j->i", terms, self.domain_terms) + self.domain_bias
        odds = np.exp(logits - logits.max())
        return Rating(np.maximum(edges[:, :-1] - edges[:, 1:], 0.0), odds / odds.sum())

    def rate(self, texts: Sequence[str]) -> list[Rating]:
        """The rating of each text, whatever its neighbours."""
        return [self.rate_features(featurise(text)) for text in texts]

    def save(self, path: Path) -> None:
        """Write the artefact; the same arrays give the same bytes."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez_compressed(path, format=np.array([FORMAT]), **arrays)


@lru_cache(maxsize=4)
def load_student(path: str) -> Student:
    """The student whose artefact lies there; ValueError where it is none, or of another format."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no artefact of a student: {error}") from error
    names = [field.name for field in fields(Student)]
    if arrays.pop("format", np.zeros(1)).tolist() != [FORMAT] or sorted(arrays) != sorted(names):
        raise ValueError(f"{path} is no artefact of this version's student (format {FORMAT})")
    return Student(**arrays)


def expected(scores: Doubles) -> Doubles:
    """The mean of the scale under the probabilities, by criterion."""
    means: Doubles = np.einsum("...k,k->...", scores, np.asarray(SCALE, np.float64))
    return means


def entropy(probabilities: Doubles) -> float:
    """In nats."""
    found = probabilities[probabilities > 0]
    return float(-np.einsum("i,i->", found, np.log(found)))
