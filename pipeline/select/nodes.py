"""Typed pieces of an expression, and what pyarrow.compute makes of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pyarrow as pa

Value: TypeAlias = "pa.Array | pa.Scalar"
Evaluate = Callable[[pa.RecordBatch], Value]


@dataclass(frozen=True)
class Node:
    """A typed piece of an expression."""

    type: pa.DataType
    evaluate: Evaluate
    column: str | None = None
    literal: object = None
    constant: bool = field(default=False)
    """Whether `literal` is its value, null included."""


def constant(value: object, kind: pa.DataType) -> Node:
    """The same value for every row."""
    return Node(kind, lambda _: pa.scalar(value, kind), literal=value, constant=True)


def numeric(kind: pa.DataType) -> bool:
    """Whether it is a type of numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def converted(node: Node, kind: pa.DataType) -> Node:
    """The node in another type."""
    if node.type == kind:
        return node

    def evaluate(batch: pa.RecordBatch) -> Value:
        import pyarrow.compute as pc

        # Integers beyond 2^53 become the nearest double.
        return pc.cast(node.evaluate(batch), kind, safe=not pa.types.is_floating(kind))

    return Node(kind, evaluate, node.column, node.literal, node.constant)


def called(kind: pa.DataType, name: str, *nodes: Node, options: object = None) -> Node:
    """A function of pyarrow.compute over nodes."""

    def evaluate(batch: pa.RecordBatch) -> Value:
        import pyarrow.compute as pc

        return pc.call_function(name, [node.evaluate(batch) for node in nodes], options)

    return Node(kind, evaluate)


def doubles(name: str, *nodes: Node, options: object = None) -> Node:
    """A function of doubles; null where the result is no number."""
    of = [converted(node, pa.float64()) for node in nodes]
    return finite(called(pa.float64(), name, *of, options=options))


def finite(node: Node) -> Node:
    """The node with null in place of infinities and NaN."""
    return Node(node.type, lambda batch: finite_value(node.evaluate(batch)))


def finite_value(value: Value) -> Value:
    """Null in place of infinities and NaN."""
    import pyarrow.compute as pc

    sound = pc.is_finite(value)
    if isinstance(value, pa.Array) and pc.all(sound, min_count=0).as_py():
        return value
    return pc.if_else(sound, value, pa.scalar(None, value.type))


def in_column(name: str, kind: pa.DataType) -> Node:
    """A column of the batch, cast where its file has another type."""

    def value(batch: pa.RecordBatch) -> Value:
        column = batch.column(name)
        column = column.cast(kind) if column.type != kind else column
        return finite_value(column) if pa.types.is_floating(column.type) else column

    return Node(kind, value, column=name)


def remainder(left: Node, right: Node) -> Node:
    """What is left after division, with the sign of the dividend."""

    def evaluate(batch: pa.RecordBatch) -> Value:
        import numpy as np

        def numbers(value: Value) -> "np.ndarray":
            if isinstance(value, pa.Scalar):
                return np.full(len(batch), np.nan if value.as_py() is None else value.as_py())
            return np.asarray(value.to_numpy(zero_copy_only=False))

        with np.errstate(all="ignore"):
            result = np.fmod(numbers(left.evaluate(batch)), numbers(right.evaluate(batch)))
        return pa.array(result, pa.float64(), mask=~np.isfinite(result))

    return Node(pa.float64(), evaluate)


def choice(conditions: Sequence[Node], results: Sequence[Node], default: Node) -> Node:
    """The result of the first condition that is true."""

    def evaluate(batch: pa.RecordBatch) -> Value:
        import pyarrow.compute as pc

        value = default.evaluate(batch)
        for condition, result in zip(reversed(conditions), reversed(results), strict=True):
            holds = pc.fill_null(condition.evaluate(batch), False)
            value = pc.if_else(holds, result.evaluate(batch), value)
        return value

    return Node(default.type, evaluate)
