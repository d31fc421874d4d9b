"""Two sides of a comparison in one type."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from pipeline.select.grammar import ExpressionError, nearest, written
from pipeline.select.nodes import Node, constant, converted, numeric
from schemas.tables import NAMES, VALUES

if TYPE_CHECKING:
    from sqlglot import exp


class Complaints(Protocol):
    """Tells what is wrong with a piece of the text."""

    def wrong(self, tree: "exp.Expression", message: str) -> ExpressionError:
        """A complaint with its place."""
        ...


def matched_types(
    complaints: Complaints,
    tree: "exp.Expression",
    left: Node,
    right: Node,
    catalogue: Mapping[str, pa.Field],
) -> tuple[Node, Node]:
    """Both sides in one type; a literal outside a column's closed set is refused."""
    for one, other in ((left, right), (right, left)):
        if one.column is not None and isinstance(other.literal, str):
            _check_value(complaints, tree, catalogue[one.column], other.literal)
        if pa.types.is_timestamp(one.type) and isinstance(other.literal, str):
            same = _moment(complaints, tree, one.type, other.literal)
            return (left, same) if other is right else (same, right)
    kinds = (left.type, right.type)
    if any(pa.types.is_null(kind) for kind in kinds):
        kind = next((k for k in kinds if not pa.types.is_null(k)), pa.int64())
        return converted(left, kind), converted(right, kind)
    if all(map(numeric, kinds)):
        if any(map(pa.types.is_floating, kinds)):
            return converted(left, pa.float64()), converted(right, pa.float64())
        return left, right
    if kinds[0] == kinds[1]:
        return left, right
    raise complaints.wrong(tree, f"'{written(tree)}' compares {kinds[0]} with {kinds[1]}")


def _moment(complaints: Complaints, tree: "exp.Expression", kind: pa.DataType, text: str) -> Node:
    try:
        moment = pa.scalar(text).cast(pa.timestamp("us")).cast(pa.int64())
    except pa.ArrowInvalid:
        raise complaints.wrong(_literal_in(tree, text), f"'{text}' is no date") from None
    return constant(pa.scalar(moment.as_py(), kind).as_py(), kind)


def _check_value(
    complaints: Complaints, tree: "exp.Expression", column: pa.Field, value: str
) -> None:
    metadata = column.metadata or {}
    known = json.loads(metadata.get(VALUES, b"null"))
    if known is not None and value not in known:
        names = {name: name for name in known} | json.loads(metadata.get(NAMES, b"{}"))
        few = f" ({', '.join(known)})" if len(known) <= 12 else ""
        near = nearest(value, names) or few
        told = f"'{value}' is no value of {column.name}{near}"
        raise complaints.wrong(_literal_in(tree, value), told)


def _literal_in(tree: "exp.Expression", value: str) -> "exp.Expression":
    from sqlglot import exp

    return next((n for n in tree.find_all(exp.Literal) if n.this == value), tree)
