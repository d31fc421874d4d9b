"""What an expression's tree means: types checked, complaints with a place, pyarrow.compute."""

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from schemas.errors import ConfigurationError
from schemas.tables import NAMES, VALUES

if TYPE_CHECKING:
    from sqlglot import exp

Evaluate = Callable[[pa.RecordBatch], "pa.Array | pa.Scalar"]
Catalogue = Mapping[str, pa.Field]


DIALECT = "duckdb"
"""How expressions are written: it reads `1_000_000` as the configuration does."""


class ExpressionError(ConfigurationError):
    """An expression that can't be compiled: what is wrong, and where."""


@dataclass(frozen=True)
class Node:
    """A typed piece of an expression."""

    type: pa.DataType
    evaluate: Evaluate
    column: str | None = None
    literal: object = None


def parse(text: str) -> "exp.Expression":
    """The tree of an expression's text."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        tree = sqlglot.parse_one(text, read=DIALECT)
    except SqlglotError as error:
        told = getattr(error, "errors", None) or [{}]
        line, column = told[0].get("line") or 1, told[0].get("col") or 1
        what = told[0].get("description") or str(error).splitlines()[0]
        raise ExpressionError(_located(text, line, column, f"syntax error: {what}")) from None
    return cast("exp.Expression", tree)


def _located(text: str, line: int, column: int, message: str) -> str:
    lines = text.splitlines() or [""]
    shown = lines[min(line, len(lines)) - 1]
    return f"{message}, at line {line}, column {column}: {shown}"


def _nearest(name: str, names: Mapping[str, str]) -> str:
    """A question after what the nearest of the names, in any case, stands for."""
    lower = {other.lower(): meant for other, meant in names.items()}
    close = difflib.get_close_matches(name.lower(), lower, 1, 0.5)
    return f"; did you mean '{lower[close[0]]}'?" if close else ""


class Compiler:
    """Turns a tree into functions over batches, and complains with a position."""

    def __init__(self, text: str, catalogue: Catalogue) -> None:
        self._text, self._catalogue = text, catalogue
        self.used: list[str] = []

    def compile(self) -> Node:
        """The whole expression."""
        return self._node(parse(self._text))

    def _wrong(self, tree: "exp.Expression", message: str) -> ExpressionError:
        starts = [
            (n.meta["line"], n.meta["col"] - n.meta["end"] + n.meta["start"])
            for n in tree.walk()
            if "line" in n.meta
        ]
        line, column = min(starts, default=(1, 1))
        return ExpressionError(_located(self._text, line, max(1, column), message))

    def _node(self, tree: "exp.Expression") -> Node:
        from sqlglot import exp

        handlers: dict[type[exp.Expression], Callable[[exp.Expression], Node]] = {
            exp.Paren: lambda t: self._node(t.this),
            exp.Column: self._column,
            exp.Literal: self._literal,
            exp.Boolean: lambda t: _constant(bool(t.this), pa.bool_()),
            exp.Null: lambda t: _constant(None, pa.null()),
            exp.Not: self._not,
            exp.Neg: self._negative,
            exp.In: self._in,
            exp.Is: self._is,
            exp.Between: self._between,
        }
        handlers |= dict.fromkeys((exp.And, exp.Or), self._logic)
        handlers |= dict.fromkeys(
            (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE), self._compare
        )
        handlers |= dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod), self._arithmetic)
        handler = handlers.get(type(tree))
        if handler is None:
            raise self._wrong(tree, f"'{tree.sql(DIALECT)[:60]}' is not supported in an expression")
        return handler(tree)

    def _column(self, tree: "exp.Expression") -> Node:
        name = ".".join(part.name for part in tree.parts)  # type: ignore[attr-defined]
        found = self._catalogue.get(name)
        if found is None:
            near = _nearest(name, {column: column for column in self._catalogue})
            raise self._wrong(tree, f"no column {name}{near}")
        self.used.append(name)

        def value(batch: pa.RecordBatch) -> pa.Array:
            import pyarrow.compute as pc

            column = batch.column(name)
            column = column.cast(found.type) if column.type != found.type else column
            if pa.types.is_floating(column.type):
                return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
            return column

        return Node(found.type, value, column=name)

    def _literal(self, tree: "exp.Expression") -> Node:
        from sqlglot import exp

        assert isinstance(tree, exp.Literal)
        if tree.is_string:
            return _constant(tree.this, pa.string())
        whole = tree.this.isdigit() and int(tree.this) < 2**63
        return _constant(
            int(tree.this) if whole else float(tree.this), pa.int64() if whole else pa.float64()
        )

    def _boolean(self, tree: "exp.Expression") -> Node:
        node = self._node(tree)
        if not (pa.types.is_boolean(node.type) or pa.types.is_null(node.type)):
            raise self._wrong(
                tree, f"'{tree.sql(DIALECT)}' should be true or false, but is {node.type}"
            )
        return node

    def _number(self, tree: "exp.Expression") -> Node:
        node = self._node(tree)
        if not (_numeric(node.type) or pa.types.is_null(node.type)):
            raise self._wrong(tree, f"'{tree.sql(DIALECT)}' should be a number, but is {node.type}")
        return node

    def _logic(self, tree: "exp.Expression") -> Node:
        from sqlglot import exp

        name = "and_kleene" if isinstance(tree, exp.And) else "or_kleene"
        left, right = self._boolean(tree.left), self._boolean(tree.right)  # type: ignore[attr-defined]
        return _call(pa.bool_(), name, _as(left, pa.bool_()), _as(right, pa.bool_()))

    def _not(self, tree: "exp.Expression") -> Node:
        return _call(pa.bool_(), "invert", _as(self._boolean(tree.this), pa.bool_()))

    def _negative(self, tree: "exp.Expression") -> Node:
        node = self._number(tree.this)
        return _call(node.type, "negate", node)

    def _compare(self, tree: "exp.Expression") -> Node:
        names = {"EQ": "equal", "NEQ": "not_equal", "LT": "less", "LTE": "less_equal"}
        names |= {"GT": "greater", "GTE": "greater_equal"}
        left, right = self._node(tree.left), self._node(tree.right)  # type: ignore[attr-defined]
        left, right = self._pair(tree, left, right)
        return _call(pa.bool_(), names[type(tree).__name__], left, right)

    def _pair(self, tree: "exp.Expression", left: Node, right: Node) -> tuple[Node, Node]:
        """Both sides in one type; a literal outside a column's closed set is refused."""
        for one, other in ((left, right), (right, left)):
            if one.column is not None and isinstance(other.literal, str):
                self._check_value(tree, one.column, other.literal)
            if pa.types.is_timestamp(one.type) and isinstance(other.literal, str):
                try:
                    moment = pa.scalar(other.literal).cast(pa.timestamp("us")).cast(pa.int64())
                except pa.ArrowInvalid:
                    told = f"'{other.literal}' is no date"
                    raise self._wrong(_literal_in(tree, other.literal), told) from None
                same = _constant(pa.scalar(moment.as_py(), one.type).as_py(), one.type)
                return (left, same) if other is right else (same, right)
        kinds = (left.type, right.type)
        if any(pa.types.is_null(kind) for kind in kinds):
            kind = next((k for k in kinds if not pa.types.is_null(k)), pa.int64())
            return _as(left, kind), _as(right, kind)
        if all(map(_numeric, kinds)):
            doubles = any(map(pa.types.is_floating, kinds))
            return (_as(left, pa.float64()), _as(right, pa.float64())) if doubles else (left, right)
        if kinds[0] == kinds[1]:
            return left, right
        raise self._wrong(tree, f"'{tree.sql(DIALECT)}' compares {kinds[0]} with {kinds[1]}")

    def _check_value(self, tree: "exp.Expression", column: str, value: str) -> None:
        metadata = self._catalogue[column].metadata or {}
        known = json.loads(metadata.get(VALUES, b"null"))
        if known is not None and value not in known:
            names = {name: name for name in known} | json.loads(metadata.get(NAMES, b"{}"))
            few = f" ({', '.join(known)})" if len(known) <= 12 else ""
            near = _nearest(value, names) or few
            told = f"'{value}' is no value of {column}{near}"
            raise self._wrong(_literal_in(tree, value), told)

    def _in(self, tree: "exp.Expression") -> Node:
        if not tree.expressions:
            raise self._wrong(tree, "`in` needs a list of values")
        tested = self._node(tree.this)
        result: Node | None = None
        for item in tree.expressions:
            left, right = self._pair(tree, tested, self._node(item))
            equal = _call(pa.bool_(), "equal", left, right)
            result = equal if result is None else _call(pa.bool_(), "or_kleene", result, equal)
        assert result is not None
        return result

    def _is(self, tree: "exp.Expression") -> Node:
        from sqlglot import exp

        node = self._node(tree.this)
        if isinstance(tree.expression, exp.Null):
            return _call(pa.bool_(), "is_null", node)
        if isinstance(tree.expression, exp.Boolean):
            self._boolean(tree.this)
            wanted = _constant(bool(tree.expression.this), pa.bool_())
            equal = _call(pa.bool_(), "equal", _as(node, pa.bool_()), wanted)
            return _call(pa.bool_(), "coalesce", equal, _constant(False, pa.bool_()))
        raise self._wrong(tree, "`is` goes with null, true or false")

    def _between(self, tree: "exp.Expression") -> Node:
        tested = self._node(tree.this)
        low = self._pair(tree, tested, self._node(tree.args["low"]))
        high = self._pair(tree, tested, self._node(tree.args["high"]))
        above = _call(pa.bool_(), "greater_equal", *low)
        return _call(pa.bool_(), "and_kleene", above, _call(pa.bool_(), "less_equal", *high))

    def _arithmetic(self, tree: "exp.Expression") -> Node:
        from sqlglot import exp

        # Numbers are added as doubles: integers that overflow would be an error, or wrong.
        left = _as(self._number(tree.left), pa.float64())  # type: ignore[attr-defined]
        right = _as(self._number(tree.right), pa.float64())  # type: ignore[attr-defined]
        names = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"}
        if isinstance(tree, exp.Mod):
            return Node(pa.float64(), lambda b: _remainder(left.evaluate(b), right.evaluate(b), b))
        node = _call(pa.float64(), names[type(tree).__name__], left, right)
        return Node(pa.float64(), lambda b: _finite(node.evaluate(b)))


def _literal_in(tree: "exp.Expression", value: str) -> "exp.Expression":
    from sqlglot import exp

    return next((n for n in tree.find_all(exp.Literal) if n.this == value), tree)


def _numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _constant(value: object, kind: pa.DataType) -> Node:
    return Node(kind, lambda _: pa.scalar(value, kind), literal=value)


def _as(node: Node, kind: pa.DataType) -> Node:
    if node.type == kind:
        return node

    def evaluate(batch: pa.RecordBatch) -> "pa.Array | pa.Scalar":
        import pyarrow.compute as pc

        # Integers beyond 2^53 become the nearest double.
        return pc.cast(node.evaluate(batch), kind, safe=not pa.types.is_floating(kind))

    return Node(kind, evaluate, node.column, node.literal)


def _call(kind: pa.DataType, name: str, *nodes: Node) -> Node:
    def evaluate(batch: pa.RecordBatch) -> "pa.Array | pa.Scalar":
        import pyarrow.compute as pc

        return pc.call_function(name, [node.evaluate(batch) for node in nodes])

    return Node(kind, evaluate)


def _finite(value: "pa.Array | pa.Scalar") -> "pa.Array | pa.Scalar":
    import pyarrow.compute as pc

    return pc.if_else(pc.is_finite(value), value, pa.scalar(None, pa.float64()))


def _remainder(
    left: "pa.Array | pa.Scalar", right: "pa.Array | pa.Scalar", batch: pa.RecordBatch
) -> pa.Array:
    import numpy as np

    def column(value: "pa.Array | pa.Scalar") -> "np.ndarray":
        if isinstance(value, pa.Scalar):
            return np.full(len(batch), np.nan if value.as_py() is None else value.as_py())
        return np.asarray(value.to_numpy(zero_copy_only=False))

    with np.errstate(all="ignore"):
        result = np.fmod(column(left), column(right))
    return pa.array(result, pa.float64(), mask=~np.isfinite(result))
