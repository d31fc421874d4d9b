"""The functions of expressions, by name: what they take, and what they make of it.

Null in, null out, but for `coalesce`, `greatest` and `least`, which pass over nulls as SQL's do.
A number that can't be given (the logarithm of 0) is null.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.select.nodes import Node, called, constant, converted, doubles

NUMBER, STRING, PATTERN, ANY = "a number", "a string", "a string in quotes", "a value"


@dataclass(frozen=True)
class Function:
    """Kinds of its arguments, and what makes the node; the last kind repeats where it is open."""

    takes: tuple[str, ...]
    make: Callable[..., Node]
    open: bool = False
    least: int | None = None

    def fits(self, count: int) -> bool:
        """Whether it can take so many arguments."""
        least = len(self.takes) if self.least is None else self.least
        return least <= count and (self.open or count <= len(self.takes))

    def usage(self, name: str) -> str:
        """How it is called."""
        return f"{name}({', '.join(self.takes)}{', ...' if self.open else ''})"


def _of_doubles(name: str, options: Callable[[], object] | None = None) -> Function:
    def make(*nodes: Node) -> Node:
        return doubles(name, *nodes, options=options() if options else None)

    return Function((NUMBER,), make)


def _widest(name: str, skip_nulls: bool) -> Function:
    def make(*nodes: Node) -> Node:
        options = pc.ElementWiseAggregateOptions(skip_nulls=skip_nulls)
        return doubles(name, *nodes, options=options)

    return Function((NUMBER, NUMBER), make, open=True)


def _sum(*nodes: Node) -> Node:
    total = nodes[0]
    for node in nodes[1:]:
        total = doubles("add", total, node)
    return total


def _mean(*nodes: Node) -> Node:
    return doubles("divide", _sum(*nodes), constant(float(len(nodes)), pa.float64()))


def _clip(value: Node, low: Node, high: Node) -> Node:
    options = pc.ElementWiseAggregateOptions(skip_nulls=False)
    raised = doubles("max_element_wise", value, low, options=options)
    return doubles("min_element_wise", raised, high, options=options)


def _bucket(value: Node, low: Node, high: Node, count: Node) -> Node:
    share = doubles("divide", doubles("subtract", value, low), doubles("subtract", high, low))
    place = doubles("floor", doubles("multiply", share, count))
    last = doubles("subtract", count, constant(1.0, pa.float64()))
    return _clip(place, constant(0.0, pa.float64()), last)


def _on_strings(name: str, kind: pa.DataType) -> Function:
    return Function((STRING,), lambda value: called(kind, name, value))


def _matching(name: str, **more: bool) -> Function:
    def make(value: Node, pattern: Node) -> Node:
        options = pc.MatchSubstringOptions(str(pattern.literal), **more)
        # A pattern that can't be compiled is found here, not by a task.
        pc.call_function(name, [pa.array([""])], options)
        return called(pa.bool_(), name, value, options=options)

    return Function((STRING, PATTERN), make)


def matching_like(value: Node, pattern: str, ignore_case: bool) -> Node:
    """SQL's `like`; a backslash is a character like any other."""
    options = pc.MatchSubstringOptions(pattern.replace("\\", "\\\\"), ignore_case=ignore_case)
    return called(pa.bool_(), "match_like", value, options=options)


def _first_given(*nodes: Node) -> Node:
    return called(nodes[0].type, "coalesce", *nodes)


def _round() -> object:
    return pc.RoundOptions(0, "half_towards_infinity")


def _length(value: Node) -> Node:
    return converted(called(pa.int32(), "utf8_length", value), pa.int64())


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "abs": _of_doubles("abs"),
        "bucket": Function((NUMBER,) * 4, _bucket),
        "ceil": _of_doubles("ceil"),
        "clip": Function((NUMBER,) * 3, _clip),
        "coalesce": Function((ANY, ANY), _first_given, open=True),
        "contains": _matching("match_substring"),
        "ends_with": _matching("ends_with"),
        "exp": _of_doubles("exp"),
        "floor": _of_doubles("floor"),
        "greatest": _widest("max_element_wise", True),
        "least": _widest("min_element_wise", True),
        "length": Function((STRING,), _length),
        "ln": _of_doubles("ln"),
        "log": _of_doubles("log10"),
        "log10": _of_doubles("log10"),
        "log2": _of_doubles("log2"),
        "lower": _on_strings("utf8_lower", pa.string()),
        "max": _widest("max_element_wise", False),
        "mean": Function((NUMBER, NUMBER), _mean, open=True),
        "min": _widest("min_element_wise", False),
        "power": Function((NUMBER, NUMBER), lambda x, y: doubles("power", x, y)),
        "regexp_matches": _matching("match_substring_regex"),
        "round": _of_doubles("round", _round),
        "sqrt": _of_doubles("sqrt"),
        "starts_with": _matching("starts_with"),
        "sum": Function((NUMBER, NUMBER), _sum, open=True),
        "upper": _on_strings("utf8_upper", pa.string()),
    }
)
