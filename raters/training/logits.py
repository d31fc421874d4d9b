"""Multinomial logistic regression with weights that the choices share, by Newton's method."""

import numpy as np
import numpy.typing as npt

from raters.student import Doubles

_STEPS = 50
_ENOUGH = 1e-9


def _loss(
    design: Doubles, fixed: Doubles, chosen: npt.NDArray[np.int64], weights: Doubles
) -> tuple[Doubles, float]:
    """The choices' probabilities, and the weighted sum of minus the logarithm of the chosen."""
    logits = fixed + design
    logits = logits - logits.max(axis=1, keepdims=True)
    odds = np.exp(logits)
    total = odds.sum(axis=1)
    picked = logits[np.arange(len(chosen)), chosen]
    return odds / total[:, None], float((weights * (np.log(total) - picked)).sum())


def fit_logits(
    design: Doubles,
    chosen: npt.NDArray[np.int64],
    weights: Doubles,
    precision: Doubles,
    fixed: Doubles | None = None,
) -> Doubles:
    """Parameters p so that softmax(fixed + design p) is likeliest to choose as was chosen.

    `design` is by row, choice and parameter; `precision` that of a normal prior around zero.
    """
    given = np.zeros(design.shape[:2]) if fixed is None else fixed
    rows = np.arange(len(chosen))
    p = np.zeros(design.shape[2])
    odds, loss = _loss(design @ p, given, chosen, weights)
    for _ in range(_STEPS):
        residual = odds * weights[:, None]
        residual[rows, chosen] -= weights
        gradient = np.einsum("nk,nkp->p", residual, design) + precision * p
        mean = np.einsum("nk,nkp->np", odds, design)
        square = np.einsum("nk,nkp,nkq->pq", odds * weights[:, None], design, design, optimize=True)
        curvature = square - (mean * weights[:, None]).T @ mean + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        before = loss + 0.5 * float(precision @ p**2)
        size = 1.0
        while True:
            candidate = p - size * step
            odds, loss = _loss(design @ candidate, given, chosen, weights)
            after = loss + 0.5 * float(precision @ candidate**2)
            if after <= before or size < _ENOUGH:
                break
            size /= 2
        p = candidate
        if before - after < _ENOUGH * (1 + abs(before)):
            break
    return p
