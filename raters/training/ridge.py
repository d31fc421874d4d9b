"""Kernel ridge regression of weighted rows, and what it predicts for groups that it left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raters.student import Doubles


@dataclass(frozen=True)
class Ridge:
    """Dual coefficients, the mean of the targets, and predictions for groups left out."""

    dual: Doubles
    mean: Doubles
    left_out: Doubles


def solve_ridge(
    kernel: Doubles, targets: Doubles, weights: Doubles, groups: Sequence[str], ridge: float
) -> Ridge:
    """Weighted kernel ridge regression; leaving a group out needs no second inverse."""
    weights = weights / weights.mean()
    mean = weights @ targets / weights.sum()
    inverse = np.linalg.inv(kernel + np.diag(ridge / weights))
    dual = inverse @ (targets - mean)
    left_out = np.empty_like(targets)
    names = np.array(groups)
    for group in sorted(set(groups)):
        rows = np.flatnonzero(names == group)
        block = inverse[np.ix_(rows, rows)]
        left_out[rows] = targets[rows] - np.linalg.solve(block, dual[rows])
    return Ridge(dual, mean, left_out)
