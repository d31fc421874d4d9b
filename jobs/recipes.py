"""Recipes: published selections, as the keys that a mixture would have."""

import re
from functools import cache
from pathlib import Path

from pydantic import JsonValue

from jobs.settings import Key, Settings, nearest
from schemas.errors import ConfigurationError

FILE = Path(__file__).with_suffix(".yaml")


@cache
def recipes() -> dict[str, dict[str, JsonValue]]:
    """Keys of a mixture by the recipe's name."""
    written = Settings(str(FILE), {}).parse(FILE.read_text(encoding="utf-8"))
    assert isinstance(written, dict)
    found: dict[str, dict[str, JsonValue]] = {}
    for name, keys in written.items():
        assert isinstance(keys, dict)
        keys = dict(keys)
        each = keys.pop("each", [""])
        # One recipe stands for several: the word in capitals is each of them in turn.
        word = "".join(re.findall(r"[A-Z]+", name))
        assert isinstance(each, list)
        for value in map(str, each):
            one = name.replace(word, value) if word else name
            found[one] = {key: _filled(given, word, value) for key, given in keys.items()}
    return found


def _filled(given: JsonValue, word: str, value: str) -> JsonValue:
    if isinstance(given, dict):
        return {key: _filled(item, word, value) for key, item in given.items()}
    return given.replace(word, value) if word and isinstance(given, str) else given


def expand_recipes(settings: Settings) -> None:
    """Put the keys of its recipe into each mixture that names one."""
    data = settings.data
    mixtures = data.get("mixtures") if isinstance(data, dict) else None
    for index, mixture in enumerate(mixtures if isinstance(mixtures, list) else ()):
        name = mixture.get("recipe") if isinstance(mixture, dict) else None
        if not isinstance(mixture, dict) or not isinstance(name, str):
            continue
        if name not in recipes():
            key: Key = ("mixtures", index, "recipe")
            told = f"no recipe '{name}'{nearest(name, sorted(recipes()))}"
            raise ConfigurationError(settings.problem(key, told))
        for key_, value in recipes()[name].items():
            mixture.setdefault(key_, value)
