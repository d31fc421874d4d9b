"""Loads a configuration and checks all of it before any work."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pydantic import ValidationError

from jobs.binding import BoundMixture, BoundStage, bind_mixture, bind_stage
from jobs.catalog import Column, document_columns, stage_columns
from jobs.parameters import Problem, explain, resolve
from jobs.rating_order import without_clusters
from jobs.recipes import expand_recipes
from jobs.settings import Key, Settings, read_settings
from jobs.sources import check_source
from schemas.config import FRAMES, Config
from schemas.errors import ConfigurationError
from schemas.reserved import RESERVED_KEYS

if TYPE_CHECKING:
    from pipeline.io.inputs import InputFile


@dataclass(frozen=True)
class BoundConfiguration:
    """A configuration in which everything that can be checked without work has been checked."""

    path: Path
    directory: Path
    """Where relative paths start: the folder of the configuration file."""
    config: Config
    workspace: str
    """Absolute path or URL."""
    stages: tuple[BoundStage, ...]
    mixtures: tuple[BoundMixture, ...]
    columns: Mapping[str, Column]
    """All columns by the name that expressions use, in the order of documents and stages."""
    inputs: Mapping[str, Sequence["InputFile"]]
    """The files of each source; empty where inputs were not to be checked."""

    def catalog(self, name: str | None = None) -> dict[str, pa.Field]:
        """The columns that the stage of this name sees; all without a name. Raises ValueError."""
        names = [stage.name for stage in self.stages]
        earlier = {None, *(names if name is None else names[: names.index(name)])}
        return {
            key: column.field for key, column in self.columns.items() if column.stage in earlier
        }

    def mixture(self, name: str) -> BoundMixture:
        """The mixture of this name; KeyError without one."""
        return {mixture.mixture.name: mixture for mixture in self.mixtures}[name]


def load_configuration(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    environment: Mapping[str, str] | None = None,
    check_inputs: bool = True,
    check_workspace: bool = True,
) -> BoundConfiguration:
    """The configuration in the file `path` with `a.b=c` overrides applied.

    Raises ConfigurationError with one line per mistake. Commands that only read a workspace
    leave the inputs, and that it can be written to, unchecked.
    """
    file = Path(path)
    settings = read_settings(file, overrides, os.environ if environment is None else environment)
    expand_recipes(settings)
    config = _frame(settings)
    directory = file.resolve().parent
    problems: list[Problem] = []
    columns = {column.field.name: column for column in document_columns(config)}
    for index, source in enumerate(config.sources):
        problems.extend(
            (("sources", index, *key), text) for key, text in check_source(source, directory)
        )
    stages = _bind_stages(config, directory, columns, problems)
    workspace = resolve(config.workspace, directory)
    inputs: dict[str, Sequence[InputFile]] = {}
    if check_inputs:
        inputs = _find_inputs(config, directory, workspace, problems)
    if check_workspace and "://" not in workspace:
        problems.extend((("workspace",), text) for text in _unwritable(workspace))
    _raise(settings, problems)
    mixtures = []
    for index, mixture in enumerate(config.mixtures):
        bound, found = bind_mixture(mixture, stages, columns, directory)
        mixtures.append(bound)
        problems.extend((("mixtures", index, *key), text) for key, text in found)
    _raise(settings, problems)
    return BoundConfiguration(
        file, directory, config, workspace, tuple(stages), tuple(mixtures), columns, inputs
    )


def _raise(settings: Settings, problems: Sequence[Problem]) -> None:
    if problems:
        raise ConfigurationError("\n".join(settings.problem(*problem) for problem in problems))


def _written(settings: Settings, key: Key) -> Key:
    """The place in the file of a place in the frame, where a stage's kind is no key."""
    stages = settings.data.get("stages") if isinstance(settings.data, dict) else None
    if len(key) < 3 or key[0] != "stages" or not isinstance(stages, list):
        return key
    entry = stages[int(key[1])]
    if not (isinstance(entry, dict) and len(entry) == 1):
        return key
    return (*key[:2], next(iter(entry)), *key[2:])


def _names(key: Key) -> tuple[Sequence[str], Sequence[str]]:
    """The valid and the reserved keys at a place of the frame."""
    place = tuple(str(step) for step in key if isinstance(step, str))
    if place[:2] == ("sources", "columns"):
        place = place[:2]
    model = FRAMES.get(place)
    return (tuple(model.model_fields) if model else (), RESERVED_KEYS.get(place, ()))


def _frame(settings: Settings) -> Config:
    try:
        return Config.model_validate_json(json.dumps(settings.data))
    except ValidationError as error:
        found = explain(error, _names)
        # pydantic counts a list without its wrong items, and may find it too short
        found = [
            (key, message)
            for key, message in found
            if not any(len(key) < len(other) and other[: len(key)] == key for other, _ in found)
        ]
        _raise(settings, [(_written(settings, key), message) for key, message in found])
        raise


def _bind_stages(
    config: Config, directory: Path, columns: dict[str, Column], problems: list[Problem]
) -> list[BoundStage]:
    """The stages, and in `columns` what they write; stops at the first that can't be bound."""
    mapped = dict.fromkeys(config.mapped)
    stages: list[BoundStage] = []
    for index, entry in enumerate(config.stages):
        bound, found = bind_stage(entry, columns, directory)
        problems.extend((("stages", index, entry.kind, *key), text) for key, text in found)
        if bound is None:
            # Later expressions may use its columns: complaints about those would mislead.
            break
        missing = without_clusters(bound, stages)
        problems.extend((("stages", index, entry.kind, *key), text) for key, text in missing)
        stages.append(bound)
        for column in stage_columns(bound.name, bound.stage):
            name = column.field.name
            other = columns.setdefault(name, column)
            if other is column:
                continue
            if name in mapped:
                key = _mapping_of(config, name)
                problems.append((key, f"the stage '{entry.name}' writes this column; rename it"))
            else:
                owner = f"the stage '{other.stage}'" if other.stage else "the documents"
                text = f"'{name}' is a column of {owner} already; give this stage a `name`"
                problems.append((("stages", index, entry.kind), text))
    return stages


def _mapping_of(config: Config, name: str) -> Key:
    index = next(i for i, source in enumerate(config.sources) if name in source.mapped)
    return ("sources", index, "columns", name)


def _find_inputs(
    config: Config, directory: Path, workspace: str, problems: list[Problem]
) -> dict[str, Sequence["InputFile"]]:
    from pipeline.io.inputs import find_inputs

    found: dict[str, Sequence[InputFile]] = {}
    for index, source in enumerate(config.sources):
        key: Key = ("sources", index, "path")
        entries = [resolve(path, directory) for path in source.path]
        try:
            files = find_inputs(source.name, entries, source.format)
        except ConfigurationError as error:
            problems.append((key, str(error).removeprefix(f"sources.{source.name}.path: ")))
            continue
        own = [file.location for file in files if file.location.startswith(f"{workspace}/")]
        if own:
            problems.append((key, f"names files of the workspace, {own[0]} for one"))
        if source.unit is not None and not any(file.format == "text" for file in files):
            text = "says how plain text is cut, but the source has no file of the format text"
            problems.append((("sources", index, "unit"), text))
        found[source.name] = files
    return found


def _unwritable(workspace: str) -> list[str]:
    """Why the workspace can't be made or written to; nothing is left behind."""
    folder = workspace
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return []
    except OSError as error:
        return [f"can't be written: {folder}: {error.strerror}"]
