"""The text of an expression as a tree, and places in it."""

import difflib
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, cast

from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.dialects.dialect import Dialect


class ExpressionError(ConfigurationError):
    """An expression that can't be compiled: what is wrong, and where."""


@cache
def dialect() -> "type[Dialect]":
    """DuckDB's syntax, which reads `1_000_000` as the configuration does; a function is its name.

    sqlglot's own trees of functions would translate names that Winnow gives a meaning of its own.
    """
    from sqlglot.dialects.duckdb import DuckDB

    whole = {"CASE": DuckDB.Parser.NO_PAREN_FUNCTION_PARSERS["CASE"]}
    names = ("FUNCTIONS", "FUNCTION_PARSERS", "NO_PAREN_FUNCTIONS")
    empty: dict[str, dict[str, object]] = {name: {} for name in names}
    tables = {**empty, "NO_PAREN_FUNCTION_PARSERS": whole}
    parser = type("Parser", (DuckDB.Parser,), tables)
    return type("WinnowExpressions", (DuckDB,), {"Parser": parser})


def parse(text: str) -> "exp.Expression":
    """The tree of an expression's text."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        tree = sqlglot.parse_one(text, read=dialect())
    except SqlglotError as error:
        told = getattr(error, "errors", None) or [{}]
        line, column = told[0].get("line") or 1, told[0].get("col") or 1
        what = told[0].get("description") or str(error).splitlines()[0]
        raise ExpressionError(located(text, line, column, f"syntax error: {what}")) from None
    return cast("exp.Expression", tree)


def written(tree: "exp.Expression") -> str:
    """A tree as text again."""
    return str(tree.sql(dialect(), normalize_functions=False))


def located(text: str, line: int, column: int, message: str) -> str:
    """A message with the line of the text that it is about."""
    lines = text.splitlines() or [""]
    shown = lines[min(line, len(lines)) - 1]
    return f"{message}, at line {line}, column {column}: {shown}"


def place(tree: "exp.Expression") -> tuple[int, int]:
    """The line and column where a tree begins."""
    starts = [
        (n.meta["line"], n.meta["col"] - n.meta["end"] + n.meta["start"])
        for n in tree.walk()
        if "line" in n.meta
    ]
    line, column = min(starts, default=(1, 1))
    return line, max(1, column)


def nearest(name: str, names: Mapping[str, str]) -> str:
    """A question after what the nearest of the names, in any case, stands for."""
    lower = {other.lower(): meant for other, meant in names.items()}
    close = difflib.get_close_matches(name.lower(), lower, 1, 0.5)
    return f"; did you mean '{lower[close[0]]}'?" if close else ""
