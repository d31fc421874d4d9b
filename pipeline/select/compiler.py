"""What an expression's tree means: types checked, complaints with a place, pyarrow.compute."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from pipeline.select.comparisons import matched_types
from pipeline.select.fitted_calls import FITTED, FittedCall, fitted_node
from pipeline.select.functions import ANY, FUNCTIONS, NUMBER, PATTERN, STRING, matching_like
from pipeline.select.grammar import ExpressionError, located, nearest, parse, place, written
from pipeline.select.nodes import (
    Node,
    called,
    choice,
    constant,
    converted,
    doubles,
    in_column,
    numeric,
    remainder,
)

if TYPE_CHECKING:
    from sqlglot import exp

Catalogue = Mapping[str, pa.Field]

MOST_TERMS = 100
"""A list of more literals is looked up at once."""


class Compiler:
    """Turns a tree into functions over batches, and complains with a position.

    pool: what functions of a whole stratum look at, part of their columns' names; None where there
    is none, and they are refused.
    """

    def __init__(self, text: str, catalogue: Catalogue, pool: str | None = None) -> None:
        self._text, self._catalogue, self._pool = text, catalogue, pool
        self.used: list[str] = []
        self.fitted: list[FittedCall] = []
        self._met: list[str] = []

    def compile(self) -> Node:
        """The whole expression."""
        return self._node(parse(self._text))

    def wrong(self, tree: "exp.Expression", message: str) -> ExpressionError:
        """A complaint about a piece of the text."""
        return ExpressionError(located(self._text, *place(tree), message))

    def _node(self, tree: "exp.Expression") -> Node:
        from sqlglot import exp

        handlers: dict[type[exp.Expression], Callable[[exp.Expression], Node]] = {
            exp.Paren: lambda t: self._node(t.this),
            exp.Column: self._column,
            exp.Literal: self._literal,
            exp.Boolean: lambda t: constant(bool(t.this), pa.bool_()),
            exp.Null: lambda t: constant(None, pa.null()),
            exp.Not: self._not,
            exp.Neg: self._negative,
            exp.In: self._in,
            exp.Is: self._is,
            exp.Between: self._between,
            exp.Case: self._case,
            exp.Anonymous: self._function,
        }
        handlers |= dict.fromkeys((exp.And, exp.Or), self._logic)
        handlers |= dict.fromkeys((exp.Like, exp.ILike), self._like)
        handlers |= dict.fromkeys(
            (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE), self._compare
        )
        handlers |= dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod), self._arithmetic)
        handler = handlers.get(type(tree))
        if handler is None:
            raise self.wrong(tree, f"'{written(tree)[:60]}' is not supported in an expression")
        return handler(tree)

    def _column(self, tree: "exp.Expression") -> Node:
        name = ".".join(part.name for part in cast("exp.Column", tree).parts)
        found = self._catalogue.get(name)
        if found is None:
            near = nearest(name, {column: column for column in self._catalogue})
            raise self.wrong(tree, f"no column {name}{near}")
        self.used.append(name)
        return in_column(name, found.type)

    def _literal(self, tree: "exp.Expression") -> Node:
        from sqlglot import exp

        assert isinstance(tree, exp.Literal)
        if tree.is_string:
            return constant(tree.this, pa.string())
        whole = tree.this.isdigit() and int(tree.this) < 2**63
        return constant(
            int(tree.this) if whole else float(tree.this), pa.int64() if whole else pa.float64()
        )

    def _boolean(self, tree: "exp.Expression") -> Node:
        node = self._node(tree)
        if not (pa.types.is_boolean(node.type) or pa.types.is_null(node.type)):
            raise self.wrong(tree, f"'{written(tree)}' should be true or false, but is {node.type}")
        return converted(node, pa.bool_())

    def _number(self, tree: "exp.Expression") -> Node:
        node = self._node(tree)
        if not (numeric(node.type) or pa.types.is_null(node.type)):
            raise self.wrong(tree, f"'{written(tree)}' should be a number, but is {node.type}")
        return node

    def _string(self, tree: "exp.Expression") -> Node:
        node = self._node(tree)
        if not (pa.types.is_string(node.type) or pa.types.is_null(node.type)):
            raise self.wrong(tree, f"'{written(tree)}' should be a string, but is {node.type}")
        return converted(node, pa.string())

    def _pattern(self, tree: "exp.Expression") -> Node:
        node = self._node(tree)
        if not isinstance(node.literal, str):
            raise self.wrong(tree, f"'{written(tree)}' should be {PATTERN}")
        return node

    def _logic(self, tree: "exp.Expression") -> Node:
        from sqlglot import exp

        name = "and_kleene" if isinstance(tree, exp.And) else "or_kleene"
        left, right = self._boolean(tree.this), self._boolean(tree.expression)
        return called(pa.bool_(), name, left, right)

    def _not(self, tree: "exp.Expression") -> Node:
        return called(pa.bool_(), "invert", self._boolean(tree.this))

    def _negative(self, tree: "exp.Expression") -> Node:
        node = self._number(tree.this)
        return called(node.type, "negate", node)

    def _compare(self, tree: "exp.Expression") -> Node:
        names = {"EQ": "equal", "NEQ": "not_equal", "LT": "less", "LTE": "less_equal"}
        names |= {"GT": "greater", "GTE": "greater_equal"}
        left, right = self._node(tree.this), self._node(tree.expression)
        return called(pa.bool_(), names[type(tree).__name__], *self._pair(tree, left, right))

    def _pair(self, tree: "exp.Expression", left: Node, right: Node) -> tuple[Node, Node]:
        """Both sides in one type; a literal outside a column's closed set is refused."""
        return matched_types(self, tree, left, right, self._catalogue)

    def _in(self, tree: "exp.Expression") -> Node:
        if not tree.expressions:
            raise self.wrong(tree, "`in` needs a list of values")
        tested = self._node(tree.this)
        items = [self._node(item) for item in tree.expressions]
        pairs = [self._pair(tree, tested, item) for item in items]
        kinds = {left.type for left, _ in pairs} | {right.type for _, right in pairs}
        if len(items) > MOST_TERMS and len(kinds) == 1 and all(item.constant for item in items):
            return self._member(pairs[0][0], [right.literal for _, right in pairs])
        result: Node | None = None
        for pair in pairs:
            equal = called(pa.bool_(), "equal", *pair)
            result = equal if result is None else called(pa.bool_(), "or_kleene", result, equal)
        assert result is not None
        return result

    def _member(self, tested: Node, literals: Sequence[object]) -> Node:
        import pyarrow.compute as pc

        given = [value for value in literals if value is not None]
        options = pc.SetLookupOptions(pa.array(given, tested.type), skip_nulls=True)
        found = called(pa.bool_(), "is_in", tested, options=options)
        absent = constant(None if len(given) < len(literals) else False, pa.bool_())
        unknown = called(pa.bool_(), "is_null", tested)
        return choice(
            [unknown, found], [constant(None, pa.bool_()), constant(True, pa.bool_())], absent
        )

    def _is(self, tree: "exp.Expression") -> Node:
        from sqlglot import exp

        if isinstance(tree.expression, exp.Null):
            return called(pa.bool_(), "is_null", self._node(tree.this))
        if isinstance(tree.expression, exp.Boolean):
            wanted = constant(bool(tree.expression.this), pa.bool_())
            equal = called(pa.bool_(), "equal", self._boolean(tree.this), wanted)
            return called(pa.bool_(), "coalesce", equal, constant(False, pa.bool_()))
        raise self.wrong(tree, "`is` goes with null, true or false")

    def _between(self, tree: "exp.Expression") -> Node:
        tested = self._node(tree.this)
        low = self._pair(tree, tested, self._node(tree.args["low"]))
        high = self._pair(tree, tested, self._node(tree.args["high"]))
        above = called(pa.bool_(), "greater_equal", *low)
        return called(pa.bool_(), "and_kleene", above, called(pa.bool_(), "less_equal", *high))

    def _like(self, tree: "exp.Expression") -> Node:
        from sqlglot import exp

        value, pattern = self._string(tree.this), self._pattern(tree.expression)
        node = matching_like(value, str(pattern.literal), isinstance(tree, exp.ILike))
        return called(pa.bool_(), "invert", node) if tree.args.get("negate") else node

    def _case(self, tree: "exp.Expression") -> Node:
        branches, default = tree.args["ifs"], tree.args.get("default")
        subject = self._node(tree.this) if tree.this else None
        conditions = []
        for branch in branches:
            if subject is None:
                conditions.append(self._boolean(branch.this))
            else:
                pair = self._pair(branch, subject, self._node(branch.this))
                conditions.append(called(pa.bool_(), "equal", *pair))
        results = [self._node(branch.args["true"]) for branch in branches]
        results.append(self._node(default) if default else constant(None, pa.null()))
        *results, last = self._alike(tree, results)
        return choice(conditions, results, last)

    def _alike(self, tree: "exp.Expression", nodes: Sequence[Node]) -> list[Node]:
        """All in one type."""
        widest = nodes[0]
        for node in nodes[1:]:
            widest = self._pair(tree, widest, node)[0]
        return [self._pair(tree, node, widest)[0] for node in nodes]

    def _arithmetic(self, tree: "exp.Expression") -> Node:
        from sqlglot import exp

        # Numbers are added as doubles: integers that overflow would be an error, or wrong.
        left = converted(self._number(tree.this), pa.float64())
        right = converted(self._number(tree.expression), pa.float64())
        if isinstance(tree, exp.Mod):
            return remainder(left, right)
        names = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"}
        return doubles(names[type(tree).__name__], left, right)

    def _function(self, tree: "exp.Expression") -> Node:
        name, arguments = str(tree.this).lower(), list(tree.expressions)
        if name in FITTED:
            return self._fitted(tree, name, arguments)
        function = FUNCTIONS.get(name)
        if function is None:
            names = {known: known for known in (*FUNCTIONS, *FITTED)}
            raise self.wrong(tree, f"no function {name}{nearest(name, names)}")
        if not function.fits(len(arguments)):
            raise self.wrong(tree, f"it is {function.usage(name)}, of the same row")
        kinds = {
            NUMBER: self._number,
            STRING: self._string,
            PATTERN: self._pattern,
            ANY: self._node,
        }
        last = len(function.takes) - 1
        takes = [function.takes[min(index, last)] for index in range(len(arguments))]
        nodes = [kinds.get(k, self._node)(a) for k, a in zip(takes, arguments, strict=True)]
        if function.takes[0] == ANY:
            nodes = self._alike(tree, nodes)
        try:
            return function.make(*nodes)
        except pa.ArrowInvalid as error:
            raise self.wrong(arguments[-1], str(error)) from None

    def _fitted(self, tree: "exp.Expression", name: str, arguments: "list[exp.Expression]") -> Node:
        usage = FITTED[name].usage(name)
        if self._pool is None:
            raise self.wrong(tree, f"{usage} is for a mixture's `where` and `score`")
        if not FITTED[name].fits(len(arguments)):
            raise self.wrong(tree, f"it is {usage}")
        parameter = self._node(arguments[-1]) if FITTED[name].parameter else None
        if parameter is not None and not FITTED[name].accepts(parameter.literal):
            raise self.wrong(arguments[-1], f"it is {usage}")
        before = len(self._met)
        argument = self._number(arguments[0]) if FITTED[name].of_values else None
        needs = tuple(dict.fromkeys(self._met[before:]))
        label = f"{self._pool}: {written(tree)}"
        value = None if parameter is None else parameter.literal
        call = FittedCall(label, name, argument, value, needs)
        self._met.append(label)
        if label not in [known.name for known in self.fitted]:
            self.fitted.append(call)
        return fitted_node(call)
