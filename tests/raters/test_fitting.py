"""The arithmetic behind the recipe and its figures, against plainer ways to the same numbers."""

import numpy as np
import pytest

from raters.student import Rating, featurise
from raters.training.figures import agreement, auc, bootstrap, ranks, spearman
from raters.training.gold import Example
from raters.training.logits import fit_logits
from raters.training.ridge import solve_ridge


def _example(score: int) -> Example:
    return Example("id", "x", "made", "CC0", "en", (score,) * 14, 0, featurise("x"))


def test_a_group_left_out_is_as_if_it_had_not_been_there() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(12, 4))
    targets = rng.normal(size=(12, 2))
    weights = rng.uniform(0.5, 2, 12)
    groups = [*"aaabbbbccddd"]
    kernel = points @ points.T
    found = solve_ridge(kernel, targets, weights, groups, 0.7)
    ridge = np.diag(0.7 / (weights / weights.mean()))
    assert (kernel + ridge) @ found.dual == pytest.approx(targets - found.mean)
    for group in "abcd":
        out = np.array([name == group for name in groups])
        dual = np.linalg.solve((kernel + ridge)[~out][:, ~out], targets[~out] - found.mean)
        assert found.left_out[out] - found.mean == pytest.approx(kernel[out][:, ~out] @ dual)


def test_logits_are_the_likeliest() -> None:
    chosen = np.array([0] * 10 + [1] * 30 + [2] * 60)
    design = np.broadcast_to(np.eye(3)[None], (100, 3, 3))
    found = fit_logits(design, chosen, np.ones(100), np.full(3, 1e-6))
    assert np.exp(found - found[0]) == pytest.approx([1, 3, 6], rel=1e-3)
    weights = np.where(chosen == 2, 0.5, 1.0)
    found = fit_logits(design, chosen, weights, np.full(3, 1e-6))
    assert np.exp(found - found[0]) == pytest.approx([1, 3, 3], rel=1e-3)
    held = fit_logits(
        design, chosen, np.ones(100), np.full(3, 1e-6), np.log([[1.0, 3.0, 6.0]] * 100)
    )
    assert held == pytest.approx(0, abs=1e-3)
    precision = np.array([5.0, 10.0, 20.0])
    found = fit_logits(design, chosen, np.ones(100), precision)
    odds = np.exp(found) / np.exp(found).sum()
    assert precision * found == pytest.approx([10, 30, 60] - 100 * odds, abs=1e-3)


def test_figures_by_hand() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 7.0])).tolist() == [2.5, 1, 2.5, 4]
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert spearman(x, np.array([1.0, 4.0, 9.0, 16.0])) == pytest.approx(1)
    assert spearman(x, np.array([1.0, 3.0, 2.0, 4.0])) == pytest.approx(0.8)
    assert spearman(x, np.ones(4)) == 0
    assert auc(x, np.array([0, 1, 0, 1])) == pytest.approx(0.75)
    assert auc(np.ones(4), np.array([0, 1, 0, 1])) == pytest.approx(0.5)
    values = np.arange(100.0)
    figure = bootstrap(lambda rows: float(values[rows].mean()), 100)
    assert figure.value == 49.5
    assert 40 < figure.low < 47 < 52 < figure.high < 59
    sure = Rating(np.tile([0.0, 0, 0.9, 0.1, 0], (14, 1)), np.eye(15)[1])
    found = agreement([_example(3), _example(5)], [sure, sure])
    assert found["accuracy"]["exact"].value == 0.5
    assert found["accuracy"]["within_one"].value == 0.5
    assert found["accuracy"]["bias"].value == pytest.approx(-0.9)
    assert found["domain"]["exact"].value == 0
