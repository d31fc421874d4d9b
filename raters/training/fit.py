"""From examples to a student: one ridge regression, and calibration on sources left out of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raters.criteria import CRITERIA, DOMAINS, SCALE
from raters.grams import BITS, Buckets, Floats
from raters.student import LIMIT, Doubles, Student, domain_evidence
from raters.training.gold import Example
from raters.training.logits import fit_logits
from raters.training.ridge import solve_ridge


@dataclass(frozen=True)
class Settings:
    """What the recipe leaves to choose; chosen once, on the split by source."""

    min_groups: int = 5
    """An n-gram counts if it is in texts of so many groups: what one source says is its own."""
    style: float = 0.1
    """The weight of style in the kernel, where that of the n-grams is 1."""
    ridge: float = 1.0
    group_power: float = 0.5
    """An example weighs (size of its group) ** -this, for scores and domains."""
    domain_power: float = 0.5
    """And for domains also (size of its domain) ** -this."""
    min_slope: float = 1.0
    """A criterion that can't be told on other sources still never turns its order round."""


@dataclass(frozen=True)
class _Inputs:
    """The examples as a matrix, and how it came about."""

    buckets: Buckets
    idf: Doubles
    style_mean: Doubles
    style_scale: Doubles
    grams: Floats
    style: Doubles


def _kept(examples: Sequence[Example], settings: Settings) -> tuple[Buckets, Doubles]:
    """The buckets that enough groups have texts in, and their inverse document frequency."""
    in_documents = np.zeros(2**BITS, np.int64)
    in_groups: dict[str, npt.NDArray[np.bool_]] = {}
    for example in examples:
        in_documents[example.features.buckets] += 1
        seen = in_groups.setdefault(example.group, np.zeros(2**BITS, np.bool_))
        seen[example.features.buckets] = True
    groups = np.sum(list(in_groups.values()), axis=0)
    kept = np.flatnonzero(groups >= min(settings.min_groups, len(in_groups)))
    idf = np.log((1 + len(examples)) / (1 + in_documents[kept])) + 1
    return kept.astype(np.uint32), idf


def _inputs(examples: Sequence[Example], settings: Settings) -> _Inputs:
    buckets, idf = _kept(examples, settings)
    grams = np.zeros((len(examples), len(buckets)), np.float32)
    places = np.full(2**BITS, -1)
    places[buckets] = np.arange(len(buckets))
    for row, example in zip(grams, examples, strict=True):
        columns = places[example.features.buckets]
        known = columns >= 0
        row[columns[known]] = example.features.counts[known] * idf[columns[known]]
        row /= np.sqrt(row @ row) + np.float32(1e-9)
    style = np.array([example.features.style for example in examples], np.float64)
    mean, scale = style.mean(axis=0), style.std(axis=0) + 1e-6
    return _Inputs(buckets, idf, mean, scale, grams, np.clip((style - mean) / scale, -LIMIT, LIMIT))


def _weights(keys: Sequence[object], power: float) -> Doubles:
    sizes = Counter(keys)
    return np.array([sizes[key] ** -power for key in keys])


def _fit_criterion(
    predicted: Doubles, given: npt.NDArray[np.int64], weights: Doubles, settings: Settings
) -> tuple[float, Doubles]:
    """The slope and the cuts of a proportional odds model, as four yes-or-no questions a row."""
    steps = len(SCALE) - 1
    n = len(given)
    above = (given[:, None] > np.asarray(SCALE)[:-1]).astype(np.int64).ravel()
    design = np.zeros((n, steps, 2, 1 + steps))
    design[:, :, 1, 0] = predicted[:, None]
    design[:, np.arange(steps), 1, 1 + np.arange(steps)] = 1
    flat = design.reshape(n * steps, 2, 1 + steps)
    each = np.repeat(weights, steps)
    found = fit_logits(flat, above, each, np.array([1e-3, *[1e-2] * steps]))
    if found[0] >= settings.min_slope:
        return float(found[0]), found[1:]
    fixed = flat[:, :, 0] * settings.min_slope
    cuts = fit_logits(flat[:, :, 1:], above, each, np.full(steps, 1e-2), fixed)
    return settings.min_slope, cuts


def _fit_domain(
    predicted: Doubles, examples: Sequence[Example], weights: Doubles
) -> tuple[Doubles, Doubles]:
    """Weights of a domain's score and evidence, the same for all, and a bias for each."""
    n, k = len(examples), len(DOMAINS)
    evidence = np.array([domain_evidence(example.features.style) for example in examples])
    terms = np.concatenate([predicted[:, :, None], evidence], axis=2)
    design = np.concatenate([terms, np.broadcast_to(np.eye(k), (n, k, k))], axis=2)
    chosen = np.array([example.domain for example in examples])
    found = fit_logits(design, chosen, weights, np.array([*[1e-3] * 3, *[3.0] * k]))
    return found[:3], found[3:]


def fit_student(
    examples: Sequence[Example], languages: Sequence[str], settings: Settings | None = None
) -> Student:
    """The student of these examples, which declares these languages."""
    settings = settings or Settings()
    inputs = _inputs(examples, settings)
    share = settings.style / inputs.style.shape[1]
    kernel = (inputs.grams @ inputs.grams.T) + share * (inputs.style @ inputs.style.T)
    scores = np.array([example.scores for example in examples])
    domains = np.eye(len(DOMAINS))[[example.domain for example in examples]]
    groups = [example.group for example in examples]
    weights = _weights(groups, settings.group_power)
    rarer = weights * _weights([example.domain for example in examples], settings.domain_power)
    rated = solve_ridge(kernel, scores.astype(np.float64), weights, groups, settings.ridge)
    placed = solve_ridge(kernel, domains, rarer, groups, settings.ridge)
    weights = weights / weights.mean()
    models = [
        _fit_criterion(rated.left_out[:, i], scores[:, i], weights, settings)
        for i in range(len(CRITERIA))
    ]
    terms, bias = _fit_domain(placed.left_out, examples, weights)
    dual = np.hstack([rated.dual, placed.dual])
    return Student(
        languages=np.array(languages, np.str_),
        buckets=inputs.buckets,
        idf=inputs.idf.astype(np.float16),
        gram_weights=(inputs.grams.T @ dual.astype(np.float32)).astype(np.float16),
        style_mean=inputs.style_mean.astype(np.float32),
        style_scale=inputs.style_scale.astype(np.float32),
        style_weights=(share * inputs.style.T @ dual).astype(np.float32),
        offset=np.concatenate([rated.mean, placed.mean]).astype(np.float32),
        slopes=np.array([slope for slope, _ in models]),
        cuts=np.array([cuts for _, cuts in models]),
        domain_terms=terms,
        domain_bias=bias,
    )
