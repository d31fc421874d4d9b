"""From what a model chose to the columns of a document."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from raters.base import Chosen, Completion, Refused
from raters.columns import Row
from raters.criteria import DOMAINS, SCALE
from raters.generative.excerpts import Excerpt
from raters.generative.modes import OVERALL
from raters.generative.replies import DOMAIN, ReplyForm
from raters.student import entropy, expected

LOW_MASS = 0.95
"""Below it the form of the reply was forced on the model, and the ratings with it."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rated:
    """A document's row, and by decision the model's probability of what the form allows there."""

    row: Row
    masses: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _View:
    """What a model made of one window, by decision."""

    picks: Mapping[str, int]
    odds: Mapping[str, Doubles]
    masses: Mapping[str, float]
    residuals: Mapping[str, float]


def rate(form: ReplyForm, excerpt: Excerpt, done: Sequence[Completion]) -> Rated:
    """The ratings of a document from the completions of its windows.

    One window: the integer is the likeliest score, the lower one of equals. Several: the means
    under their distributions, weighted by tokens; the integer is the mean, rounded, half down.
    """
    refused = next((each for each in done if isinstance(each, Refused)), None)
    if refused is not None:
        return Rated({"status": "invalid_reply", "quality_reason": refused.reason})
    views = [_view(form, each) for each in done if isinstance(each, Chosen)]
    if len(views) < len(excerpt.windows) or None in views:
        return Rated({"status": "invalid_reply", "quality_reason": "the reply has no numbers"})
    weights = np.asarray(excerpt.weights, np.float64) / excerpt.rated
    return _combined(form, excerpt, [view for view in views if view is not None], weights)


def _view(form: ReplyForm, chosen: Chosen) -> _View | None:
    """None where the engine knows the probability of no allowed token, or gives no number."""
    names = [each.name for each in form.decisions]
    odds, masses, residuals = {}, {}, {}
    for name, values in zip(names, chosen.logprobs, strict=True):
        logprobs = np.asarray(values, np.float64)
        top = float(logprobs.max())
        if not math.isfinite(top) or np.isnan(logprobs).any():
            return None
        relative = np.exp(logprobs - top)
        odds[name] = relative / relative.sum()
        masses[name] = min(1.0, math.exp(top) * float(relative.sum()))
        unknown = bool(np.isneginf(logprobs).any())
        residuals[name] = 1 - masses[name] if unknown and not chosen.complete else 0.0
    return _View(dict(zip(names, chosen.picks, strict=True)), odds, masses, residuals)


def _combined(form: ReplyForm, excerpt: Excerpt, views: Sequence[_View], weights: Doubles) -> Rated:
    row: Row = {}
    masses: dict[str, float] = {}
    for name in (each.name for each in form.decisions):
        odds = np.einsum("w,wk->k", weights, np.stack([view.odds[name] for view in views]))
        masses[name] = _mean(weights, [view.masses[name] for view in views])
        pick = views[0].picks[name] if len(views) == 1 else None
        row |= _domain(odds, pick) if name == DOMAIN else _score(name, odds, pick)
    lowest = min(mass for view in views for mass in view.masses.values())
    residuals = [_mean(weights, [view.residuals[name] for view in views]) for name in masses]
    row |= {
        "quality_grammar_mass": math.fsum(masses.values()) / len(masses),
        "quality_grammar_mass_min": lowest,
        "quality_residual_mass": math.fsum(residuals) / len(residuals),
        "quality_truncated": excerpt.rated < excerpt.total,
        "quality_rated_tokens": excerpt.rated,
        "quality_n_tokens": excerpt.total,
        "status": "ok",
    }
    return Rated(row, masses)


def _mean(weights: Doubles, values: Sequence[float]) -> float:
    return float(np.einsum("w,w->", weights, np.asarray(values, np.float64)))


def _score(name: str, odds: Doubles, pick: int | None) -> Row:
    mean = float(expected(odds))
    # The last bits of a sum must not decide on which side of a half it lies.
    score = math.ceil(round(mean, 9) - 0.5) if pick is None else SCALE[pick]
    row: Row = {name: score, f"{name}_expected": mean}
    return row | ({"overall_score_entropy": entropy(odds)} if name == OVERALL else {})


def _domain(odds: Doubles, pick: int | None) -> Row:
    pick = int(odds.argmax()) if pick is None else pick
    return {"domain": list(DOMAINS)[pick], "domain_probability": float(odds[pick])}
