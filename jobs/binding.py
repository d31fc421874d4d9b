"""Binds stages and mixtures to their classes, files and columns."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pyarrow as pa
from pydantic import JsonValue

from jobs.catalog import Column
from jobs.formats import bind_format
from jobs.mixture_files import read_quotas, with_files
from jobs.parameters import (
    SHIPPED,
    ParameterError,
    Problem,
    bind,
    exists,
    missing,
    resolve,
    resolve_files,
)
from jobs.settings import Key, nearest
from jobs.stages import rater_class, stage_class
from pipeline.stages.base import Stage
from schemas.config import StageEntry
from schemas.errors import ConfigurationError, WinnowError
from schemas.mixture import Mixture

if TYPE_CHECKING:
    from pipeline.export.formats import Format
    from pipeline.io.edits import AppliedEdits
    from pipeline.select.expressions import Expression
    from pipeline.select.quotas import Quota
    from pipeline.select.samplers import Sampler
    from pipeline.stages.edits import EditTexts


@dataclass(frozen=True)
class BoundStage:
    """A stage with its parameters, and the rows that it measures."""

    name: str
    stage: Stage
    where: str | None
    where_expression: "Expression | None"
    entry: StageEntry


@dataclass(frozen=True)
class BoundMixture:
    """A mixture with its expressions compiled and its columns known to exist."""

    mixture: Mixture
    where: "Expression | None"
    score: "Expression | None"
    sampler: "Sampler | None"
    """None only where it could not be bound, and then loading has failed."""
    tokenizer: str | None
    """Absolute, or `shipped`."""
    tokens_column: str | None
    """The column that counts tokens; None where no stage does."""
    cost_column: str | None
    """The column that the budget counts; None without a budget and without tokens."""
    format: "Format | None"
    """None only where it could not be bound, and then loading has failed."""
    edits: "AppliedEdits | None" = None
    quotas: "str | tuple[Quota, ...]" = "proportional"
    """As the mixture has them, or the lines of its file."""
    budget: int | None = None


def bind_stage(
    entry: StageEntry, columns: Mapping[str, Column], directory: Path
) -> tuple[BoundStage | None, list[Problem]]:
    """The stage, None where its class or parameters are wrong, and all problems found."""
    try:
        kind = _class_of(entry)
        stage = bind(kind, resolve_files(kind, entry.parameters, directory))
        stage.check()
        stage.schema()
    except ParameterError as error:
        return None, list(error.problems)
    except (ValueError, OSError, WinnowError) as error:
        return None, [((), str(error))]
    problems: list[Problem] = [
        ((), f"reads the column '{name}', which no earlier stage writes")
        for name in stage.columns_read()
        if name not in columns
    ]
    if not problems:
        try:
            types = {name: columns[name].field.type for name in stage.columns_read()}
            stage.check_types(types)
        except ValueError as error:
            problems.append(((), str(error)))
    where = _compiled(entry.where, columns, _is_boolean, "true or false", ("where",), problems)
    return BoundStage(entry.name, stage, entry.where, where, entry), problems


def _class_of(entry: StageEntry) -> type[Stage]:
    """The class of a stage; that of `quality` is the one that its rater names."""
    if entry.kind != "quality" or "rater" not in entry.parameters:
        return stage_class(entry.kind).suited(entry.parameters)
    rater = entry.parameters["rater"]
    if not isinstance(rater, str):
        raise ParameterError([(("rater",), "should be a string")])
    try:
        return rater_class(rater)
    except ConfigurationError as error:
        raise ParameterError([(("rater",), str(error))]) from None


def bind_mixture(
    mixture: Mixture,
    stages: Sequence[BoundStage],
    columns: Mapping[str, Column],
    directory: Path,
) -> tuple[BoundMixture, list[Problem]]:
    """The mixture, and all problems found; it is fit for use only where there are none."""
    problems: list[Problem] = []
    mixture = with_files(mixture, directory, problems)
    where = _compiled(
        mixture.where, columns, _is_boolean, "true or false", ("where",), problems, "where"
    )
    score = _compiled(mixture.score, columns, _is_number, "a number", ("score",), problems, "score")
    for index, name in enumerate(mixture.strata):
        problems.extend(_column(name, columns, ("strata", index)))
    if mixture.unique is not None:
        problems.extend(_column(mixture.unique, columns, ("unique",)))
    edits = _edits(mixture, stages, problems)
    tokenizer = tokens = None
    if mixture.tokenizer is not None:
        tokenizer = resolve(mixture.tokenizer, directory)
    if tokenizer is not None and not exists(tokenizer):
        problems.append((("tokenizer",), missing(str(mixture.tokenizer), tokenizer)))
    elif edits is not None or mixture.edits is None:
        tokens = _tokens_column(mixture, tokenizer, stages, problems)
    sizes = edits.bytes_column if edits else "n_bytes"
    cost = sizes if mixture.budget_unit == "bytes" else tokens
    sampler = _sampler(mixture, problems)
    lines, budget = read_quotas(mixture, directory, problems)
    if budget is None and getattr(sampler, "max_copies", 1) > 1:
        problems.append((("sampler",), "copies are taken until a budget is met: give `tokens`"))
    form = None if problems else bind_format(mixture, tokenizer, problems)
    return BoundMixture(
        mixture, where, score, sampler, tokenizer, tokens, cost, form, edits, lines, budget
    ), problems


def _edits(
    mixture: Mixture, stages: Sequence[BoundStage], problems: list[Problem]
) -> "AppliedEdits | None":
    """The edits of the stage that the mixture names."""
    if mixture.edits is None:
        return None
    from pipeline.io.edits import AppliedEdits

    known = {stage.name: stage.stage for stage in stages if stage.stage.kind == "edits"}
    if mixture.edits not in known:
        told = f"no stage `edits` is called '{mixture.edits}'{nearest(mixture.edits, list(known))}"
        problems.append((("edits",), told))
        return None
    return AppliedEdits(mixture.edits, cast("EditTexts", known[mixture.edits]).edits)


def _is_boolean(kind: pa.DataType) -> bool:
    return bool(pa.types.is_boolean(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _compiled(
    text: str | None,
    columns: Mapping[str, Column],
    fits: Callable[[pa.DataType], bool],
    wanted: str,
    key: Key,
    problems: list[Problem],
    pool: str | None = None,
) -> "Expression | None":
    if text is None:
        return None
    from pipeline.select.expressions import compile_expression

    fields = {name: column.field for name, column in columns.items()}
    try:
        expression = compile_expression(text, fields, pool)
    except ConfigurationError as error:
        problems.append((key, str(error)))
        return None
    if "text" in expression.columns:
        # Text is by far the largest thing there is; selecting must do without reading it.
        problems.append((key, "`text` is for stages to read; use a column that a stage wrote"))
    if not fits(expression.type):
        problems.append((key, f"should give {wanted}, but gives {expression.type}"))
    return expression


def _column(name: str, columns: Mapping[str, Column], key: Key) -> list[Problem]:
    """Problems of a column that rows are grouped by."""
    known = {
        other: column.field.type
        for other, column in columns.items()
        if other not in ("text", "metadata")
    }
    if name not in known:
        return [(key, f"no column '{name}'{nearest(name, list(known))}")]
    kind = known[name]
    if pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return []
    return [(key, f"'{name}' is {kind}; rows are grouped by strings, integers or true and false")]


def _tokens_column(
    mixture: Mixture,
    tokenizer: str | None,
    stages: Sequence[BoundStage],
    problems: list[Problem],
) -> str | None:
    """The column that counts the mixture's tokens; a tokenizer that no stage used is a problem."""
    kind, column = ("edits", "edited_n_tokens") if mixture.edits else ("tokens", "n_tokens")
    used = {
        stage.name: str(getattr(stage.stage, "tokenizer", SHIPPED))
        for stage in stages
        if stage.stage.kind == kind and mixture.edits in (None, stage.name)
    }
    for name, path in used.items():
        if tokenizer is None or _same_tokenizer(path, tokenizer):
            return column if name == kind else f"{name}.{column}"
    if tokenizer is not None:
        have = ", ".join(f"'{name}' with {path}" for name, path in used.items()) or "none"
        told = f"no stage `{kind}` counts with {mixture.tokenizer} (there is: {have})"
        problems.append((("tokenizer",), told))
    return None


def _same_tokenizer(one: str, other: str) -> bool:
    from pipeline.io.tokenizer import tokenizer_file

    return os.path.realpath(tokenizer_file(one)) == os.path.realpath(tokenizer_file(other))


def _sampler(mixture: Mixture, problems: list[Problem]) -> "Sampler | None":
    from jobs.samplers import needs_score, sampler_class

    method = "uniform" if mixture.score is None else "top_k"
    given: Mapping[str, JsonValue] = {}
    if mixture.sampler is not None:
        method, given = mixture.sampler.method, mixture.sampler.parameters
    try:
        kind = sampler_class(method)
        if needs_score(kind) and mixture.score is None:
            problems.append((("sampler",), f"the sampler '{method}' needs `score`"))
        return cast("Sampler", bind(kind, given))
    except ConfigurationError as error:
        problems.append((("sampler", "method"), str(error)))
    except ParameterError as error:
        problems.extend((("sampler", *key), text) for key, text in error.problems)
    return None
