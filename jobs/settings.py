"""A YAML file as plain values, with the place each of them came from."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import yaml
from pydantic import JsonValue

from schemas.errors import ConfigurationError

Key = tuple[str | int, ...]
"""The place of a value: keys of mappings and positions in lists, from the top."""

_INTEGER = re.compile(r"[-+]?[0-9][0-9_]*")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
)
_CONSTANTS: Mapping[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_VARIABLE = re.compile(r"\$(\$?)\{([^}]*)\}")
_NAMED = ("sources", "stages", "mixtures")


class _Loader(yaml.SafeLoader):
    """Composes nodes without guessing types: YAML 1.1 would read the language `no` as false."""


_Loader.yaml_implicit_resolvers = {}


def nearest(name: str, names: Sequence[str]) -> str:
    """What to add to a message about an unknown name: the nearest valid one, or all if few."""
    close = get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; there are: {', '.join(names)}" if 0 < len(names) <= 12 else ""


def item_name(item: JsonValue) -> str | None:
    """The name of a source, a mixture or a stage as it stands in the file, or None."""
    if not isinstance(item, dict):
        return None
    name = item.get("name")
    if name is None and len(item) == 1:
        ((kind, given),) = item.items()
        if not isinstance(given, dict | None):
            return None
        name = given.get("name", kind) if given else kind
    return name if isinstance(name, str) else None


def _plain_scalar(text: str) -> JsonValue:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) > 300:
        return text
    if _INTEGER.fullmatch(text):
        return int(text.replace("_", ""))
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text.replace("_", ""))):
        return number
    return text


def _assign(
    holder: JsonValue, words: Sequence[str], value: JsonValue, key: Key
) -> tuple[JsonValue, Key]:
    """`holder` with the item that `words` lead to set to `value`, and that item's place."""
    if not words:
        return value, key
    word, rest = words[0], words[1:]
    if holder is None or isinstance(holder, dict):
        mapping = holder or {}
        inner, place = _assign(mapping.get(word), rest, value, (*key, word))
        return {**mapping, word: inner}, place
    if not isinstance(holder, list):
        raise ConfigurationError(f"'{word}' can't be set in {holder!r}, which is not a mapping")
    names = [item_name(item) if key and key[0] in _NAMED else None for item in holder]
    if word in names:
        index = names.index(word)
    elif word.isdecimal() and int(word) < len(holder):
        index = int(word)
    else:
        known = [name for name in names if name]
        raise ConfigurationError(f"no item '{word}' in the list{nearest(word, known)}")
    item = holder[index]
    if key == ("stages",) and isinstance(item, dict) and len(item) == 1:
        ((kind, given),) = item.items()
        inner, place = _assign(given, rest, value, (*key, index, kind))
        inner = {kind: inner}
    else:
        inner, place = _assign(item, rest, value, (*key, index))
    return [*holder[:index], inner, *holder[index + 1 :]], place


@dataclass
class Settings:
    """The values of a configuration, still unchecked, and where each was written."""

    path: str
    environment: Mapping[str, str]
    data: JsonValue = None
    origins: dict[Key, str] = field(default_factory=dict)
    """By place: the file and line, or the override, that gave the value."""

    def origin(self, key: Key) -> str:
        """The file and line, or the override, that gave the value or the nearest around it."""
        while key not in self.origins and key:
            key = key[:-1]
        return self.origins.get(key, self.path)

    def dotted(self, key: Key) -> str:
        """A place as users write it: list items that have a name by their name."""
        words: list[str] = []
        value = self.data
        for position, step in enumerate(key):
            if isinstance(step, int):
                value = value[step] if isinstance(value, list) and step < len(value) else None
                name = item_name(value) if position == 1 and key[0] in _NAMED else None
                words.append(name or str(step))
            else:
                value = value.get(step) if isinstance(value, dict) else None
                # A stage's kind is the only key of its item, and the item has said its name.
                words.extend([] if position == 2 and key[0] == "stages" else [step])
        return ".".join(words)

    def problem(self, key: Key, message: str) -> str:
        """One line that says where, which key, and what is wrong."""
        where = self.dotted(key)
        return (
            f"{self.origin(key)}: {where}: {message}"
            if where
            else (f"{self.origin(key)}: {message}")
        )

    def override(self, text: str) -> None:
        """Apply one `a.b=c`: `c` is YAML, and list items are addressed by name or position."""
        place, equals, written = text.partition("=")
        origin = f"--set {text}"
        words = place.strip().split(".")
        if not equals or not all(words):
            raise ConfigurationError(f"{origin}: should be KEY=VALUE, as in mixtures.main.seed=7")
        value = Settings(origin, self.environment).parse(written, origin)
        try:
            self.data, key = _assign(self.data, words, value, ())
        except ConfigurationError as error:
            raise ConfigurationError(f"{origin}: {error}") from None
        self.origins = {k: o for k, o in self.origins.items() if k[: len(key)] != key}
        self.origins[key] = origin

    def parse(self, text: str, origin: str | None = None) -> JsonValue:
        """The value of a YAML text, its places entered in `origins`."""
        try:
            loader = _Loader(text)
            node = loader.get_single_node()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = origin or (f"{self.path}:{mark.line + 1}" if mark else self.path)
            problem = getattr(error, "problem", None) or str(error)
            raise ConfigurationError(f"{where}: not valid YAML: {problem}") from None
        return None if node is None else self._value(node, (), origin, ())

    def _value(
        self, node: yaml.Node, key: Key, origin: str | None, around: tuple[yaml.Node, ...]
    ) -> JsonValue:
        where = origin or f"{self.path}:{node.start_mark.line + 1}"
        # A key's own line is the better one: its value may begin on the next.
        self.origins.setdefault(key, where)
        if node in around:
            raise ConfigurationError(f"{where}: an anchor may not contain itself")
        around = (*around, node)
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(node, key, origin, around)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [
                self._value(item, (*key, index), origin, around)
                for index, item in enumerate(node.value)
            ]
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str":
            text = self._expand(node.value, where)
            return text if node.style else _plain_scalar(text)
        raise ConfigurationError(f"{where}: the tag {node.tag} is not allowed")

    def _mapping(
        self, node: yaml.MappingNode, key: Key, origin: str | None, around: tuple[yaml.Node, ...]
    ) -> JsonValue:
        values: dict[str, JsonValue] = {}
        for name, item in node.value:
            where = origin or f"{self.path}:{name.start_mark.line + 1}"
            if not isinstance(name, yaml.ScalarNode):
                raise ConfigurationError(f"{where}: a key should be one word")
            if name.value in values:
                raise ConfigurationError(f"{where}: the key '{name.value}' is there twice")
            self.origins[(*key, name.value)] = where
            values[name.value] = self._value(item, (*key, name.value), origin, around)
        return values

    def _expand(self, text: str, where: str) -> str:
        def value(match: re.Match[str]) -> str:
            escaped, name = match.groups()
            if escaped:
                return f"${{{name}}}"
            if name not in self.environment:
                raise ConfigurationError(
                    f"{where}: the environment variable {name or '(without a name)'} is not set"
                    " (write $${...} where no variable is meant)"
                )
            return self.environment[name]

        return _VARIABLE.sub(value, text)


def read_settings(path: Path, overrides: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The values of a YAML file with `${VAR}` expanded and overrides applied."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8 at byte {error.start}") from None
    settings = Settings(str(path), environment)
    settings.data = settings.parse(text)
    if not isinstance(settings.data, dict):
        raise ConfigurationError(f"{path}: should be a mapping, as `winnow init` writes it")
    for override in overrides:
        settings.override(override)
    return settings
