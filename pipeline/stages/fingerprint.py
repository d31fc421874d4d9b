"""A stage's fingerprint: all that decides the values it gives to a document."""

import dataclasses
import glob
import hashlib
import importlib.metadata
import os
from typing import get_type_hints

from pipeline.io.digests import canonical_json, text_key
from pipeline.stages.base import OPERATION, File, Stage


def fingerprint(stage: Stage) -> str:
    """16 hex digits of kind, version, parameters, named files' contents and library versions."""
    hints = get_type_hints(type(stage), include_extras=True)
    parameters = {}
    for item in dataclasses.fields(stage):
        if OPERATION in getattr(hints[item.name], "__metadata__", ()):
            continue
        value = getattr(stage, item.name)
        named = value is not None and File in (hints[item.name], *_arguments(hints[item.name]))
        parameters[item.name] = _digests(stage, value) if named else _plain(value)
    versions = stage.versions()
    owner = type(stage).__module__.split(".")[0]
    if owner not in ("pipeline", "raters"):
        found = importlib.metadata.packages_distributions().get(owner, [])
        versions |= {name: importlib.metadata.version(name) for name in found}
    told = {"kind": stage.kind, "version": stage.version, "parameters": parameters}
    return text_key(canonical_json({**told, "libraries": versions}))[:16]


def _arguments(hint: object) -> tuple[object, ...]:
    return tuple(getattr(hint, "__args__", ()))


def _digests(stage: Stage, value: object) -> object:
    if isinstance(value, tuple):
        return [_digests(stage, item) for item in value]
    return digest_of(stage.file_of(str(value)))


def _plain(value: object) -> object:
    if isinstance(value, Stage):
        return fingerprint(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def digest_of(path: str) -> str:
    """The SHA-256 of a file, of all files of a directory or glob; another word stands as it is."""
    if os.path.isdir(path):
        names = sorted(
            os.path.join(folder, name) for folder, _, files in os.walk(path) for name in files
        )
        return text_key(*(f"{os.path.relpath(name, path)} {digest_of(name)}" for name in names))
    if not os.path.isfile(path):
        found = sorted(glob.glob(path, recursive=True))
        names = [f"{os.path.basename(name)} {digest_of(name)}" for name in found]
        return text_key(*names) if names else f"named {path}"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
