"""Expressions over columns: SQL's syntax, typed before any work, evaluated by pyarrow.compute."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import pyarrow as pa

from pipeline.select.compiler import Catalogue, Compiler
from pipeline.select.fitted_calls import FittedCall
from pipeline.select.grammar import ExpressionError, dialect, parse, written
from pipeline.select.nodes import Node, finite_value

__all__ = [
    "Catalogue",
    "Expression",
    "ExpressionError",
    "compile_expression",
    "compile_predicate",
]


@dataclass(frozen=True)
class Expression:
    """A compiled expression; two of the same text over the same columns mean the same."""

    text: str
    type: pa.DataType
    columns: tuple[str, ...]
    fields: Mapping[str, pa.Field] = field(repr=False)
    pool: str | None = None
    """What `rank` and its like look at; None where they are not to be used."""

    def evaluate(self, batch: pa.RecordBatch) -> pa.Array:
        """The value for each row; null where SQL says null, never NaN."""
        value = self._node.evaluate(batch)
        if isinstance(value, pa.Scalar):
            return pa.array([value.as_py()] * len(batch), self.type)
        if pa.types.is_floating(value.type):
            return finite_value(value)
        return value

    @cached_property
    def _compiled(self) -> tuple[Node, tuple[FittedCall, ...]]:
        compiler = Compiler(self.text, self.fields, self.pool)
        return compiler.compile(), tuple(compiler.fitted)

    @property
    def _node(self) -> Node:
        return self._compiled[0]

    @property
    def fitted(self) -> tuple[FittedCall, ...]:
        """The calls whose columns have to be in the batch, those that others need first."""
        return self._compiled[1]

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Pickled as it was written: what it was compiled to stays here."""
        return type(self), (self.text, self.type, self.columns, dict(self.fields), self.pool)

    @cached_property
    def terms(self) -> tuple["Expression", ...]:
        """The terms that a top-level `and` joins, in written order."""
        from sqlglot import exp

        tree = parse(self.text).unnest()
        found = list(tree.flatten()) if isinstance(tree, exp.And) else [tree]
        told = split_terms(self.text)
        if len(told) != len(found):
            told = [written(cast("exp.Expression", term)) for term in found]
        return tuple(compile_expression(term, self.fields, self.pool) for term in told)


def split_terms(text: str) -> list[str]:
    """The pieces of an expression between the `and`s that stand in no parentheses, as written."""
    from sqlglot.tokenizer_core import TokenType

    pieces: list[str] = []
    begin = depth = betweens = 0
    opening = (TokenType.L_PAREN, TokenType.CASE)
    for token in dialect()().tokenize(text):
        if token.token_type in (*opening, TokenType.R_PAREN, TokenType.END):
            depth += 1 if token.token_type in opening else -1
        elif depth == 0 and token.token_type == TokenType.BETWEEN:
            betweens += 1
        elif depth == 0 and token.token_type == TokenType.AND:
            if betweens:
                betweens -= 1
                continue
            pieces.append(text[begin : token.start])
            begin = token.end + 1
    return [" ".join(piece.split()) for piece in (*pieces, text[begin:])]


def compile_expression(text: str, catalogue: Catalogue, pool: str | None = None) -> Expression:
    """Parse and type an expression; ExpressionError names what is wrong and where."""
    compiler = Compiler(text, catalogue, pool)
    node = compiler.compile()
    used = tuple(dict.fromkeys(compiler.used))
    fields = {name: catalogue[name] for name in used}
    return Expression(text, node.type, used, fields, pool)


def compile_predicate(text: str, catalogue: Catalogue, pool: str | None = None) -> Expression:
    """An expression that is true or false."""
    expression = compile_expression(text, catalogue, pool)
    if not pa.types.is_boolean(expression.type):
        raise ExpressionError(f"should be true or false, but is {expression.type}: {text}")
    return expression
