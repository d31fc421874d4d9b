"""Names that are planned but that this version does not have; they are refused by name."""

from collections.abc import Mapping
from types import MappingProxyType

RESERVED_STAGES = ("decontamination", "pii", "classifier")
"""Kinds of stages."""

RESERVED_KEYS: Mapping[tuple[str, ...], tuple[str, ...]] = MappingProxyType(
    {
        (): ("raters", "withdraw", "report"),
        ("mixtures",): (
            "allow_contaminated",
            "shuffle",
        ),
        ("mixtures", "write"): ("shuffle",),
    }
)
"""Keys, by the place in the configuration where they will stand."""
