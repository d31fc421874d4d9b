"""A causal language model in a directory, as far as it is known without loading its weights."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pipeline.io.shipped import shipped

SHIPPED = shipped("raters", "lm")
"""The model that comes with Winnow; its README.md says what it was trained on."""

LONGEST_WINDOW = 2048
"""No window is longer, whatever the model could read."""

PACKAGES = ("torch", "transformers", "safetensors")
"""What scoring needs beyond the core."""

_LENGTHS = ("max_position_embeddings", "n_positions", "max_sequence_length", "n_ctx")


@dataclass(frozen=True)
class ModelFacts:
    """What decides how a text is laid out for a model."""

    first: int
    """The token before every window: the beginning of a sequence, else its end."""
    window: int
    """So many tokens a window holds, the first one included."""


def model_directory(model: str) -> Path:
    """Where the model lies that a parameter names: `shipped`, or a directory."""
    return SHIPPED if model == "shipped" else Path(model)


def read_facts(directory: Path) -> ModelFacts:
    """The facts in a model's config.json; ValueError where it can't be scored with."""
    for pattern in ("config.json", "tokenizer.json", "*.safetensors"):
        if not any(directory.glob(pattern)):
            raise ValueError(f"model: {directory} has no {pattern}")
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"model: {directory}/config.json is not JSON: {error}") from None
    # A model of several modes keeps what is said of its text apart.
    config = {**config, **(config.get("text_config") or {})}
    lengths = [config[name] for name in _LENGTHS if isinstance(config.get(name), int)]
    window = min([*lengths, LONGEST_WINDOW])
    if window < 2:
        raise ValueError(f"model: {directory} reads no more than {window} tokens")
    return ModelFacts(_first(config, directory), window)


def _first(config: Mapping[str, object], directory: Path) -> int:
    for name in ("bos_token_id", "eos_token_id"):
        found = config.get(name)
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, int):
            return found
    raise ValueError(f"model: {directory}/config.json has neither bos_token_id nor eos_token_id")


def check_packages() -> None:
    """ValueError, naming what to install, where a package is missing that scoring needs."""
    absent = [name for name in PACKAGES if find_spec(name) is None]
    if absent:
        raise ValueError(
            f"perplexity needs packages that are not installed: pip install {' '.join(absent)} "
            "--extra-index-url https://download.pytorch.org/whl/cpu"
        )
