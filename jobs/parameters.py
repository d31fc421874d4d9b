"""Binds written parameters to a dataclass, and says in plain words what is wrong with them."""

import dataclasses
import json
import os
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from jobs.settings import Key, nearest

T = TypeVar("T")
Problem = tuple[Key, str]
"""A place, below the values that were bound, and what is wrong there."""
Names = Callable[[Key], tuple[Sequence[str], Sequence[str]]]
"""By place: the keys that are valid there, and those reserved for later versions."""

_PLAIN = {
    "a valid array": "a list",
    "a valid dictionary": "a mapping",
    "an object": "a mapping",
    "a valid boolean": "true or false",
    "a valid string": "a string",
    "a valid integer": "an integer",
    "a valid number": "a number",
}
_REQUIRED = "is required"
_SUGGESTED = re.compile(r"unknown key; did you mean '([^']*)'")

SHIPPED = "shipped"
"""The file parameter that means the one that comes with Winnow."""


class ParameterError(Exception):
    """Parameters that can't be bound, with every problem found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(message for _, message in problems))
        self.problems = tuple(problems)


def bind(kind: type[T], values: Mapping[str, JsonValue]) -> T:
    """An instance of a dataclass from values as JSON has them; ParameterError where they are wrong.

    Unknown keys and wrong types are refused whether or not the class says so itself.
    """
    names = [field.name for field in dataclasses.fields(typing.cast("type", kind)) if field.init]
    unknown = [name for name in values if name not in names]
    if unknown:
        raise ParameterError([((key,), f"unknown key{nearest(key, names)}") for key in unknown])
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise ParameterError(explain(error, lambda _: (names, ()))) from None


def explain(error: ValidationError, names: Names) -> list[Problem]:
    """Each problem of a validation as a place and a message that needs no knowledge of pydantic."""
    problems = [_explained(detail, names) for detail in error.errors(include_url=False)]
    # A misspelt key is one mistake, not an unknown key and a missing one.
    meant = {(key[:-1], word) for key, text in problems for word in _SUGGESTED.findall(text)}
    return [
        (key, text)
        for key, text in problems
        if not (text == _REQUIRED and (key[:-1], key[-1]) in meant)
    ]


def _explained(detail: ErrorDetails, names: Names) -> Problem:
    key: Key = detail["loc"]
    context = detail.get("ctx", {})
    for step in str(context.get("key", "")).split("."):
        if step:
            key = (*key, int(step) if step.isdecimal() else step)
    given, kind = detail["input"], detail["type"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        valid, reserved = names(key[:-1])
        word = str(key[-1])
        if word in reserved:
            return key, "is not available in this version"
        return key, f"unknown key{nearest(word, valid)}"
    if kind in ("missing", "missing_keyword_only_argument"):
        return key, _REQUIRED
    if kind == "string_pattern_mismatch":
        return key, f"{given!r} is no valid name, it should match {context['pattern']}"
    message = detail["msg"].removeprefix("Value error, ").replace("Input should", "should")
    for word, plain in _PLAIN.items():
        message = message.replace(word, plain)
    if kind == "literal_error" and isinstance(given, str):
        expected = str(context["expected"]).replace(" or ", ", ").split(", ")
        return key, f"{message}, not {given!r}" + _suggestion(
            given, [e.strip("'") for e in expected]
        )
    if kind.endswith(("_type", "_parsing", "_equal", "_than")):
        message += f", not {_shown(given)}"
    return key, message


def _suggestion(word: str, names: Sequence[str]) -> str:
    hint = nearest(word, names)
    return hint if "did you mean" in hint else ""


def _shown(value: object) -> str:
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    return json.dumps(value, default=str)


def _names_file(hint: object) -> bool:
    if typing.get_origin(hint) is typing.Annotated:
        base, *marks = typing.get_args(hint)
        return "file" in marks or _names_file(base)
    return any(_names_file(argument) for argument in typing.get_args(hint))


def resolve_files(
    kind: type, values: Mapping[str, JsonValue], directory: Path
) -> dict[str, JsonValue]:
    """The values with every parameter that names files made absolute; ParameterError if missing."""
    hints = typing.get_type_hints(kind, include_extras=True)
    resolved = dict(values)
    problems: list[Problem] = []
    for name, value in values.items():
        if name not in hints or not _names_file(hints[name]):
            continue
        written = value if isinstance(value, list) else [value]
        paths = [resolve(item, directory) if isinstance(item, str) else item for item in written]
        for item, path in zip(written, paths, strict=True):
            if isinstance(path, str) and not exists(path):
                problems.append(((name,), missing(str(item), path)))
        resolved[name] = paths if isinstance(value, list) else paths[0]
    if problems:
        raise ParameterError(problems)
    return resolved


def resolve(written: str, directory: Path) -> str:
    """A path relative to the configuration made absolute; URLs and `shipped` stay as they are."""
    if written == SHIPPED or "://" in written:
        return written
    return os.path.normpath(directory / Path(written).expanduser())


def exists(path: str) -> bool:
    """Whether a resolved path names something; URLs are only looked at when they are read."""
    if path == SHIPPED or "://" in path:
        return True
    return os.path.exists(path) or bool(glob(path, recursive=True))


def missing(written: str, path: str) -> str:
    """The message for a file that is not there, with the nearest one that is."""
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        return f"no file '{written}' (there is no folder {folder})"
    return f"no file '{written}' (looked for {path})" + _suggestion(name, os.listdir(folder))
