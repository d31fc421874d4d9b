"""How well ratings agree with gold ratings and human labels, each figure with an interval."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from raters.criteria import CRITERIA, SCALE
from raters.student import Doubles, Rating, expected
from raters.training.gold import Example

SAMPLES = 1_000
"""Bootstrap samples of rows behind each 95 % interval."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Figure:
    """A value and its bootstrap 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


Agreement = dict[str, dict[str, Figure]]
"""By criterion, and for the domain: figure by name."""


def bootstrap(measure: Callable[[Places], float], rows: int) -> Figure:
    """The measure of all rows, and the middle 95 % of those of rows drawn with replacement."""
    rng = np.random.default_rng(20)
    drawn = [measure(rng.integers(0, rows, rows)) for _ in range(SAMPLES)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Figure(measure(np.arange(rows)), float(low), float(high))


def ranks(values: Doubles) -> Doubles:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def spearman(one: Doubles, other: Doubles) -> float:
    """Spearman's rank correlation; 0 where one of the two is constant."""
    a, b = (ranks(values) - (len(values) + 1) / 2 for values in (one, other))
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else 0.0


def auc(values: Doubles, labels: Places) -> float:
    """The chance that a good row has a higher value than a bad one; half where it is as high."""
    good = int(labels.sum())
    bad = len(labels) - good
    if not good or not bad:
        return 0.5
    return float(ranks(values)[labels == 1].sum() - good * (good + 1) / 2) / (good * bad)


def agreement(examples: Sequence[Example], ratings: Sequence[Rating]) -> Agreement:
    """By criterion exact, within one and Spearman (of the expected value); accuracy of domains."""
    found: Agreement = {}
    for i, name in enumerate(CRITERIA):
        gold = np.array([example.scores[i] for example in examples], np.float64)
        mean = np.array([expected(rating.scores[i]) for rating in ratings])
        off = np.abs(np.array([SCALE[rating.scores[i].argmax()] for rating in ratings]) - gold)
        found[name] = {
            "exact": _mean(off == 0),
            "within_one": _mean(off <= 1),
            "spearman": bootstrap(partial(_spearman_of, mean, gold), len(gold)),
            "bias": _mean(mean - gold),
        }
    domains = np.array([example.domain for example in examples])
    guesses = np.array([rating.domains.argmax() for rating in ratings])
    found["domain"] = {"exact": _mean(domains == guesses)}
    return found


def agreement_with_people(values: Doubles, labels: Places) -> Figure:
    """The AUC of values for labels."""
    return bootstrap(lambda rows: auc(values[rows], labels[rows]), len(values))


def _mean(values: npt.NDArray[np.bool_] | Doubles) -> Figure:
    numbers = values.astype(np.float64)
    return bootstrap(lambda rows: float(numbers[rows].mean()), len(numbers))


def _spearman_of(one: Doubles, other: Doubles, rows: Places) -> float:
    return spearman(one[rows], other[rows])
