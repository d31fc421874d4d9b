"""A trial run: a share of the documents, in a workspace beside the real one."""

import dataclasses

from jobs.binding import BoundMixture
from jobs.configuration import BoundConfiguration


def trial(bound: BoundConfiguration, part: float) -> BoundConfiguration:
    """The configuration for `part` of the documents: budgets shrink with them."""
    return dataclasses.replace(
        bound,
        workspace=f"{bound.workspace.rstrip('/')}-sample",
        mixtures=tuple(_shrunk(mixture, part) for mixture in bound.mixtures),
    )


def _shrunk(bound: BoundMixture, part: float) -> BoundMixture:
    budget = bound.mixture.tokens
    if budget is None:
        return bound
    frame = bound.mixture.model_copy(update={"tokens": max(1, round(budget * part))})
    return dataclasses.replace(bound, mixture=frame)
