"""A request as the tokens of a model's chat, in two parts between which the document stands."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from raters.generative.presets import Wording

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = "\ue000\ue0d0\ue001"
"""Stands for the document while a template is rendered; private characters mean nothing."""


@dataclass(frozen=True)
class Frame:
    """All that stands around a document, chat markers included, whatever the document holds."""

    before: str
    after: str


def chat_frame(directory: Path, wording: Wording) -> Frame:
    """The frame that a model's own chat template makes; ValueError where it makes none."""
    template, names = _read_template(directory)
    asked = {"role": "user", "content": wording.before + _HERE + wording.after}
    messages = [asked]
    if wording.system is not None:
        messages.insert(0, {"role": "system", "content": wording.system})
    from jinja2 import TemplateError

    try:
        # No clock is handed in: templates that tell the date have one that they fall back on.
        told = (
            _environment()
            .from_string(template)
            .render(messages=messages, add_generation_prompt=True, enable_thinking=False, **names)
        )
    except (TemplateError, TypeError, ValueError) as error:
        raise ValueError(f"model: {directory}: its chat template fails: {error}") from error
    if told.count(_HERE) != 1:
        raise ValueError(f"model: {directory}: its chat template changes what it is given")
    return Frame(*told.split(_HERE))


def _read_template(directory: Path) -> tuple[str, Mapping[str, str]]:
    """The template, and the tokens that it can use by name."""
    file = directory / "tokenizer_config.json"
    config: dict[str, object] = {}
    if file.is_file():
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"model: {file} is not JSON: {error}") from None
    names = {}
    for key, value in config.items():
        content = value.get("content") if isinstance(value, dict) else value
        if key.endswith("_token") and isinstance(content, str):
            names[key] = content
    beside = directory / "chat_template.jinja"
    if beside.is_file():
        return beside.read_text(encoding="utf-8"), names
    template = config.get("chat_template")
    if isinstance(template, list):
        template = {each["name"]: each["template"] for each in template}.get("default")
    if not isinstance(template, str):
        raise ValueError(
            f"model: {directory} has no chat template (chat_template.jinja, or `chat_template` in "
            "tokenizer_config.json): it is no model that answers requests"
        )
    return template, names


def _environment() -> "Environment":
    """What chat templates are written for; they come with a model, so they run in a sandbox."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    made.filters["tojson"] = _tojson
    made.globals["raise_exception"] = _refuse
    return made


def _tojson(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    from jinja2 import TemplateError

    raise TemplateError(message)
