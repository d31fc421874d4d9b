"""Which samplers there are: Winnow's own and those that other distributions add."""

from dataclasses import is_dataclass
from importlib.metadata import entry_points

from jobs.settings import nearest
from pipeline.select.samplers import SAMPLERS
from schemas.errors import ConfigurationError

GROUP = "winnow.samplers"
"""Entry points of this group add samplers, under the entry point's name."""


def sampler_class(method: str) -> type:
    """The dataclass of a sampler; ConfigurationError where there is none."""
    if method in SAMPLERS:
        return SAMPLERS[method]
    added = {point.name: point for point in entry_points(group=GROUP)}
    if method not in added:
        names = sorted({*SAMPLERS, *added})
        raise ConfigurationError(f"no sampler '{method}'{nearest(method, names)}")
    try:
        found: object = added[method].load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"the sampler '{method}' can't be loaded: {error}") from error
    if not (
        isinstance(found, type) and is_dataclass(found) and callable(getattr(found, "keys", 0))
    ):
        raise ConfigurationError(
            f"{added[method].value} is no sampler: a dataclass with a method `keys`"
        )
    return found


def needs_score(kind: type) -> bool:
    """Whether a sampler means nothing without a score: it says `needs_score = True`."""
    return bool(getattr(kind, "needs_score", False))
