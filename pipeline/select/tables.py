"""Small CSV files that users write: quotas by stratum, weights by value or by column."""

import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from pipeline.select.grammar import ExpressionError, parse, written
from pipeline.select.quotas import Quota
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlglot import exp

LIMITS = ("floor", "cap", "max_repeats")
Rows = Sequence[Mapping[str, str]]


def csv_rows(content: str) -> Rows:
    """The rows of a CSV text with a header; ConfigurationError where one has other fields."""
    reader = csv.DictReader(content.splitlines(), restval=None)
    rows = []
    for row in reader:
        if None in row or None in row.values():
            raise ConfigurationError(f"line {reader.line_num} has not as many fields as the first")
        rows.append({key.strip(): value.strip() for key, value in row.items()})
    if not rows:
        raise ConfigurationError("has no line below its header")
    return rows


def quotas_of(rows: Rows, strata: Sequence[str]) -> tuple[tuple[Quota, ...], int | None]:
    """The quotas of each stratum, and what they sum to where they are tokens and not shares.

    A column for each of the strata's columns, `share` or `tokens`, and where wanted `floor`, `cap`
    (in the budget's unit) and `max_repeats`. An empty cell of a stratum's column is a null.
    """
    names = set(rows[0])
    amount = [name for name in ("share", "tokens") if name in names]
    unknown = names - {*strata, *LIMITS, "share", "tokens"}
    lacking = [name for name in strata if name not in names]
    if len(amount) != 1 or unknown or lacking:
        wanted = ", ".join([*strata, "share or tokens"])
        raise ConfigurationError(f"should have the columns {wanted}; and may have {LIMITS}")
    found: dict[str, Quota] = {}
    for number, row in enumerate(rows, 2):
        stratum = json.dumps([_value(row[name]) for name in strata], ensure_ascii=False)
        if stratum in found:
            raise ConfigurationError(f"line {number} names {stratum} again")
        try:
            limits = [int(row[name]) if row.get(name) else None for name in LIMITS]
            share = Fraction(row[amount[0]])
        except ValueError as error:
            raise ConfigurationError(f"line {number}: {error}") from None
        if share < 0 or any(limit is not None and limit < 0 for limit in limits):
            raise ConfigurationError(f"line {number} has a number below 0")
        found[stratum] = Quota(stratum, share, limits[0] or 0, limits[1], limits[2])
    total = sum(line.share for line in found.values())
    if not total:
        raise ConfigurationError(f"every {amount[0]} is 0")
    return tuple(found.values()), int(total) if amount[0] == "tokens" else None


def _value(text: str) -> object:
    if text in ("", "true", "false"):
        return {"": None, "true": True, "false": False}[text]
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text


def expand_files(text: str, read: Callable[[str], str]) -> str:
    """The expression with what its files say in their place, so that it needs them no more.

    `lookup(column, 'file.csv')` is the weight that the file has for the column's value, else null;
    `weighted_sum('file.csv')` the sum of columns times the file's weights. The first two columns of
    a file are names and weights.
    """
    if not re.search(r"\b(lookup|weighted_sum)\s*\(", text, re.IGNORECASE):
        return text
    from sqlglot import exp

    def replaced(tree: "exp.Expression") -> "exp.Expression":
        name = str(tree.this).lower() if isinstance(tree, exp.Anonymous) else ""
        if name == "lookup":
            column, weights = _arguments(tree, 2, read)
            whole = all(re.fullmatch(r"-?[0-9]+", value) for value in weights)
            cases = " ".join(
                f"when {value if whole else _quoted(value)} then {weight}"
                for value, weight in weights.items()
            )
            return parse(f"(case {column} {cases} end)")
        if name == "weighted_sum":
            _, weights = _arguments(tree, 1, read)
            return parse(f"({' + '.join(f'{w} * {name}' for name, w in weights.items())})")
        return tree

    return written(parse(text).transform(replaced))


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _arguments(
    tree: "exp.Expression", count: int, read: Callable[[str], str]
) -> tuple[str, dict[str, str]]:
    """The first argument as text, and the weights of the file that the last one names."""
    from sqlglot import exp

    given = tree.expressions
    last = given[-1] if given else None
    if len(given) != count or not isinstance(last, exp.Literal) or not last.is_string:
        raise ExpressionError(f"'{written(tree)}': the last argument is a file's name in quotes")
    try:
        rows = csv_rows(read(str(last.this)))
        pairs = [tuple(row.values())[:2] for row in rows]
        weights = {pair[0]: pair[1] for pair in pairs}
        for weight in weights.values():
            float(weight)
    except (OSError, ValueError, ConfigurationError) as error:
        raise ExpressionError(f"{last.this}: {error}") from None
    if len(weights) < len(rows):
        raise ExpressionError(f"{last.this}: names something twice")
    return written(given[0]), weights
