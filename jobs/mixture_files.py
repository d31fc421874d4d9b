"""What a mixture has in files beside the configuration: quotas, weights, earlier statistics."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.parameters import Problem, resolve
from schemas.errors import ConfigurationError
from schemas.mixture import Mixture

if TYPE_CHECKING:
    from pipeline.io.store import Store
    from pipeline.select.fits import Fitted
    from pipeline.select.quotas import Quota


def with_files(mixture: Mixture, directory: Path, problems: list[Problem]) -> Mixture:
    """The mixture with the weights in place of the files that its expressions name."""
    changed: dict[str, str | None] = {}
    for key in ("where", "score"):
        text = getattr(mixture, key)
        if text is None or ".csv" not in text:
            continue
        from pipeline.select.tables import expand_files

        try:
            changed[key] = expand_files(text, lambda name: _read(name, directory))
        except ConfigurationError as error:
            problems.append(((key,), str(error)))
            changed[key] = None
    return mixture.model_copy(update=changed)


def _read(name: str, directory: Path) -> str:
    return Path(resolve(name, directory)).read_text(encoding="utf-8-sig")


def read_quotas(
    mixture: Mixture, directory: Path, problems: list[Problem]
) -> tuple["str | tuple[Quota, ...]", int | None]:
    """The quotas, and the budget: that of the mixture, or what a file of tokens sums to."""
    if not mixture.quotas.endswith(".csv"):
        return mixture.quotas, mixture.tokens
    from pipeline.select.tables import csv_rows, quotas_of

    try:
        lines, total = quotas_of(csv_rows(_read(mixture.quotas, directory)), mixture.strata)
    except (OSError, ValueError, ConfigurationError) as error:
        problems.append((("quotas",), f"{mixture.quotas}: {error}"))
        return "proportional", mixture.tokens
    if (total is None) == (mixture.tokens is None):
        told = "has tokens, which sum to the budget: leave `tokens` out"
        problems.append((("quotas",), told if total else "has shares of a budget: give `tokens`"))
    return lines, mixture.tokens or total


def earlier_fit(mixture: Mixture, store: "Store", directory: Path) -> "Fitted":
    """What an earlier mixture was fitted to; empty where none is to be used."""
    if mixture.fit_from is None:
        return {}
    from pipeline.export.manifest import load_manifest
    from pipeline.io.store import open_store

    named = f"mixtures/{mixture.fit_from}"
    try:
        if store.exists(f"{named}/manifest.json"):
            manifest = load_manifest(store, named)
        else:
            manifest = load_manifest(open_store(resolve(mixture.fit_from, directory)), "")
    except FileNotFoundError:
        raise ConfigurationError(
            f"mixtures.{mixture.name}.fit_from: there is no mixture {mixture.fit_from} yet"
        ) from None
    found: Mapping[str, Mapping[str, Mapping[str, list[float]]]]
    found = manifest["selection"].get("fitted", {})
    return found
