"""Functions of expressions against DuckDB, on what both have."""

import math
from collections.abc import Sequence
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.select.expressions import compile_expression

SCHEMA = pa.schema(
    [
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("i", pa.int64()),
        ("s", pa.string()),
        ("b", pa.bool_()),
    ]
)
FIELDS = {field.name: field for field in SCHEMA}
ROWS = st.lists(
    st.tuples(
        st.none() | st.sampled_from([-2.5, -1.5, 0.5, 1.0, 2.0, 2.5, 40.0]),
        st.none() | st.sampled_from([-1.0, 0.25, 3.0]),
        st.none() | st.integers(-3, 9),
        st.none() | st.sampled_from(["", "a", "Ab", "https://x.org/a_b", "50%", "a\\b", "é"]),
        st.none() | st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def numbers(depth: int) -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["x", "y", "i", "1", "2.5", "0.5"])
    if not depth:
        return leaf
    inner = numbers(depth - 1)
    one = st.sampled_from(["abs", "floor", "ceil", "round"])
    many = st.sampled_from(["greatest", "least", "coalesce"])
    return st.one_of(
        leaf,
        st.tuples(one, inner).map(lambda t: f"{t[0]}(1.0 * {t[1]})"),
        inner.map(lambda n: f"ln(abs({n}) + 1)"),
        inner.map(lambda n: f"log(abs({n}) + 1)"),
        inner.map(lambda n: f"log2(abs({n}) + 1)"),
        inner.map(lambda n: f"sqrt(abs({n}))"),
        inner.map(lambda n: f"exp(least({n}, 5.0))"),
        st.tuples(many, inner, inner).map(lambda t: f"{t[0]}(1.0 * {t[1]}, 1.0 * {t[2]})"),
        st.tuples(texts(), inner, inner).map(
            lambda t: f"case when {t[0]} then 1.0 * {t[1]} else 1.0 * {t[2]} end"
        ),
        st.tuples(inner, inner).map(
            lambda t: f"case i when 1 then 1.0 * {t[0]} when 2 then {t[1]} end"
        ),
        st.sampled_from(["s", "lower(s)", "upper(s)"]).map(lambda s: f"length({s})"),
        st.tuples(inner, inner).map(lambda t: f"power(abs({t[0]}), least(1.0 * {t[1]}, 3.0))"),
    )


def texts() -> st.SearchStrategy[str]:
    value = st.sampled_from(["s", "lower(s)", "upper(s)", "coalesce(s, 'none')"])
    patterns = ["a", "^a", "[A-Z]b$", "//x\\.", "", "é", "%", "_"]
    regular = st.tuples(value, st.sampled_from(patterns)).map(
        lambda t: f"regexp_matches({t[0]}, '{t[1]}')"
    )
    like = st.tuples(
        value,
        st.sampled_from(["like", "not like", "ilike", "not ilike"]),
        st.sampled_from(["a", "%a%", "A_", "_", "%\\%", "%", "", "https://%"]),
    ).map(lambda t: f"({t[0]} {t[1]} '{t[2]}')")
    called = st.tuples(
        st.sampled_from(["starts_with", "ends_with", "contains"]),
        value,
        st.sampled_from(["a", "b", "é"]),
    ).map(lambda t: f"{t[0]}({t[1]}, '{t[2]}')")
    chosen = st.sampled_from(["b", "case when b then s else 'a' end = 'a'"])
    return st.one_of(regular, like, called, chosen)


def both(text: str, rows: Sequence[tuple[object, ...]]) -> tuple[list[object], list[object]]:
    table = pa.Table.from_pylist(
        [dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA
    )
    with duckdb.connect() as connection:
        connection.register("t", table)
        expected = [row[0] for row in connection.execute(f"select ({text}) from t").fetchall()]
    batch = table.combine_chunks().to_batches()[0]
    return compile_expression(text, FIELDS).evaluate(batch).to_pylist(), expected


@settings(max_examples=300, deadline=None)
@given(numbers(3), ROWS)
def test_numbers_are_duckdbs(text: str, rows: list[tuple[object, ...]]) -> None:
    for found, expected in zip(*both(text, rows), strict=True):
        if isinstance(expected, int | float | Decimal) and math.isfinite(expected):
            assert found == pytest.approx(float(expected), rel=1e-9, abs=1e-9)
        else:
            assert found is None


@settings(max_examples=300, deadline=None)
@given(texts(), ROWS)
def test_matches_are_duckdbs(text: str, rows: list[tuple[object, ...]]) -> None:
    found, expected = both(text, rows)
    assert found == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | st.integers(-3, 9), min_size=101, max_size=130), ROWS, st.booleans())
def test_long_lists_are_duckdbs(
    items: list[int | None], rows: list[tuple[object, ...]], negated: bool
) -> None:
    listed = ", ".join("null" if item is None else str(item) for item in items)
    found, expected = both(f"i {'not ' * negated}in ({listed})", rows)
    assert found == expected
