"""Which stages there are; a stage's module is imported when a configuration names its kind."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType

from jobs.settings import nearest
from pipeline.stages.base import MapStage, RelationalStage, Stage
from schemas.errors import ConfigurationError
from schemas.reserved import RESERVED_STAGES

RATERS: Mapping[str, str] = MappingProxyType(
    {
        "student": "raters.quality:Quality",
        "dataman": "raters.generative.stages:DataMan",
        "prompted": "raters.generative.stages:Prompted",
    }
)
"""The classes of the stage `quality`, by its parameter `rater`."""

STAGES: Mapping[str, str] = MappingProxyType(
    {
        "language": "pipeline.stages.language:Language",
        "signals": "pipeline.stages.signals:Signals",
        "tokens": "pipeline.stages.tokens:Tokens",
        "exact_dedup": "pipeline.stages.exact_dedup:ExactDedup",
        "fuzzy_dedup": "pipeline.stages.fuzzy_dedup:FuzzyDedup",
        "edits": "pipeline.stages.edits:EditTexts",
        "dsir": "pipeline.stages.dsir:Dsir",
        "quality": RATERS["student"],
        "perplexity": "raters.perplexity:Perplexity",
        "columns_from": "pipeline.stages.columns_from:ColumnsFrom",
    }
)
"""The stages that come with Winnow: kind -> module:class."""

GROUP = "winnow.stages"
"""Entry points of this group add stages of other distributions, under the entry point's name."""

RATER_GROUP = "winnow.raters"
"""Entry points of this group add classes of `quality`, under the rater's name."""


def stage_classes() -> dict[str, str]:
    """All stages that are installed, kind -> module:class; Winnow's own can't be replaced."""
    added = {point.name: point.value for point in entry_points(group=GROUP)}
    return {**added, **STAGES}


def rater_classes() -> dict[str, str]:
    """All raters that are installed, rater -> module:class; Winnow's own can't be replaced."""
    added = {point.name: point.value for point in entry_points(group=RATER_GROUP)}
    return {**added, **RATERS}


def rater_class(rater: str) -> type[Stage]:
    """The class of `quality` with this rater; ConfigurationError where there is none."""
    place = RATERS.get(rater) or rater_classes().get(rater)
    if place is None:
        raise ConfigurationError(f"no rater '{rater}'{nearest(rater, sorted(rater_classes()))}")
    found = _load("quality", place)
    if found.kind != "quality":
        raise ConfigurationError(f"{place} is no rater: its kind is '{found.kind}'")
    return found


def stage_class(kind: str) -> type[Stage]:
    """The class of a kind of stage; ConfigurationError where there is none."""
    place = STAGES.get(kind) or stage_classes().get(kind)
    if place is None:
        if kind in RESERVED_STAGES:
            raise ConfigurationError(f"the stage '{kind}' is not available in this version")
        raise ConfigurationError(f"no stage '{kind}'{nearest(kind, sorted(stage_classes()))}")
    return _load(kind, place)


def _load(kind: str, place: str) -> type[Stage]:
    module, _, name = place.partition(":")
    try:
        found: object = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"the stage '{kind}' can't be loaded: {error}") from error
    if not (isinstance(found, type) and issubclass(found, MapStage | RelationalStage)):
        raise ConfigurationError(f"{place} is neither a MapStage nor a RelationalStage")
    return found
