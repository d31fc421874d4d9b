"""Expressions over columns: SQL's syntax, typed before any work, evaluated by pyarrow.compute."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

from pipeline.select.compiler import DIALECT, Catalogue, Compiler, ExpressionError, Node, parse

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

    def evaluate(self, batch: pa.RecordBatch) -> pa.Array:
        """The value for each row; null where SQL says null, never NaN."""
        import pyarrow.compute as pc

        value = self._node.evaluate(batch)
        if isinstance(value, pa.Scalar):
            return pa.array([value.as_py()] * len(batch), self.type)
        if pa.types.is_floating(value.type):
            return pc.if_else(pc.is_finite(value), value, pa.scalar(None, value.type))
        return value

    @cached_property
    def _node(self) -> Node:
        return Compiler(self.text, self.fields).compile()

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Pickled as it was written: what it was compiled to stays here."""
        return type(self), (self.text, self.type, self.columns, dict(self.fields))

    @cached_property
    def terms(self) -> tuple["Expression", ...]:
        """The terms that a top-level `and` joins, in written order."""
        from sqlglot import exp

        tree = parse(self.text).unnest()
        found = list(tree.flatten()) if isinstance(tree, exp.And) else [tree]
        written = split_terms(self.text)
        if len(written) != len(found):
            written = [term.sql(DIALECT) for term in found]
        return tuple(compile_expression(term, self.fields) for term in written)


def split_terms(text: str) -> list[str]:
    """The pieces of an expression between the `and`s that stand in no parentheses, as written."""
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.tokenizer_core import TokenType

    pieces: list[str] = []
    begin = depth = betweens = 0
    for token in Dialect.get_or_raise(DIALECT).tokenize(text):
        if token.token_type in (TokenType.L_PAREN, TokenType.R_PAREN):
            depth += 1 if token.token_type == TokenType.L_PAREN else -1
        elif depth == 0 and token.token_type == TokenType.BETWEEN:
            betweens += 1
        elif depth == 0 and token.token_type == TokenType.AND:
            if betweens:
                betweens -= 1
                continue
            pieces.append(text[begin : token.start])
            begin = token.end + 1
    return [" ".join(piece.split()) for piece in (*pieces, text[begin:])]


def compile_expression(text: str, catalogue: Catalogue) -> Expression:
    """Parse and type an expression; ExpressionError names what is wrong and where."""
    compiler = Compiler(text, catalogue)
    node = compiler.compile()
    used = tuple(dict.fromkeys(compiler.used))
    fields = {name: catalogue[name] for name in used}
    return Expression(text, node.type, used, fields)


def compile_predicate(text: str, catalogue: Catalogue) -> Expression:
    """An expression that is true or false."""
    expression = compile_expression(text, catalogue)
    if not pa.types.is_boolean(expression.type):
        raise ExpressionError(f"should be true or false, but is {expression.type}: {text}")
    return expression
