"""Expressions against SQLite, which reads the same SQL, and what is refused, and where."""

import json
import math
import pickle
import sqlite3
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.select.expressions import (
    Expression,
    ExpressionError,
    compile_expression,
    compile_predicate,
)
from schemas.tables import VALUES

CATALOGUE = {
    "i": pa.field("i", pa.int64()),
    "j": pa.field("j", pa.int8()),
    "x": pa.field("x", pa.float64()),
    "y": pa.field("y", pa.float32()),
    "s": pa.field("s", pa.string()),
    "language": pa.field(
        "language", pa.string(), metadata={VALUES: json.dumps(["en", "de", "zh", "und"])}
    ),
    "b": pa.field("b", pa.bool_()),
    "c": pa.field("c", pa.bool_()),
    "day": pa.field("day", pa.timestamp("us", tz="UTC")),
    "other.x": pa.field("other.x", pa.float64()),
}
SCHEMA = pa.schema([field.remove_metadata() for field in CATALOGUE.values()])
Row = tuple[object, ...]
SQL_NAMES = ("i", "j", "x", "y", "s", "b", "c")

ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-4, 4) | st.sampled_from([2**53 + 1, -(2**62)]),
        st.none() | st.integers(-3, 3),
        st.none() | st.sampled_from([-2.5, -1.0, 0.0, 0.5, 1.0, 2.0, 3.25]),
        st.none() | st.sampled_from([-1.5, 0.0, 0.5, 2.0]),
        st.none() | st.sampled_from(["", "a", "b", "A", "é", "it's"]),
        st.none() | st.booleans(),
        st.none() | st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def numbers(depth: int) -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["i", "j", "x", "y", "1", "2.5", "(-3)", "0", "0.5", "null"])
    if not depth:
        return leaf
    inner = numbers(depth - 1)
    # SQLite divides integers to integers.
    sums = st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(
        lambda t: f"({t[0]} {t[1]} {t[2]})"
    )
    quotients = st.tuples(inner, inner).map(lambda t: f"({t[0]} / (1.0 * {t[1]}))")
    return leaf | sums | quotients | inner.map(lambda n: f"(- {n})")


def texts() -> st.SearchStrategy[str]:
    return st.sampled_from(["s", "'a'", "'it''s'", "''", "'é'", "null"])


def predicates(depth: int) -> st.SearchStrategy[str]:
    signs = st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">="])
    of_numbers, of_texts = numbers(1), texts()
    leaf = st.one_of(
        st.sampled_from(["b", "c", "true", "false", "null"]),
        st.tuples(of_numbers, signs, of_numbers).map(" ".join),
        st.tuples(of_texts, signs, of_texts).map(" ".join),
        st.tuples(
            of_numbers, st.sampled_from(["", "not "]), st.lists(of_numbers, min_size=1, max_size=3)
        ).map(lambda t: f"{t[0]} {t[1]}in ({', '.join(t[2])})"),
        st.tuples(of_texts, st.sampled_from(["", "not "]), of_texts, of_texts).map(
            lambda t: f"{t[0]} {t[1]}in ({t[2]}, {t[3]})"
        ),
        st.tuples(of_numbers, st.sampled_from(["", "not "]), of_numbers, of_numbers).map(
            lambda t: f"{t[0]} {t[1]}between {t[2]} and {t[3]}"
        ),
        st.tuples(of_numbers | of_texts, st.sampled_from(["", "not "])).map(
            lambda t: f"{t[0]} is {t[1]}null"
        ),
    )
    if not depth:
        return leaf.map(lambda p: f"({p})")
    inner = predicates(depth - 1)
    return st.one_of(
        inner,
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({' '.join(t)})"),
        inner.map(lambda p: f"not {p}"),
        st.tuples(inner, st.sampled_from(["is true", "is false", "is not true"])).map(
            lambda t: f"(({t[0]}) {t[1]})"
        ),
    )


def in_sqlite(text: str, rows: Sequence[Row]) -> list[object]:
    database = sqlite3.connect(":memory:")
    columns = "i integer, j integer, x real, y real, s text, b integer, c integer"
    database.execute(f"create table t (n integer primary key, {columns})")
    database.executemany(
        "insert into t values (?, ?, ?, ?, ?, ?, ?, ?)", [(n, *row) for n, row in enumerate(rows)]
    )
    found = [row[0] for row in database.execute(f"select ({text}) from t order by n")]
    database.close()
    return found


def batch_of(rows: Sequence[Row]) -> pa.RecordBatch:
    records = [dict(zip(SQL_NAMES, row, strict=True)) for row in rows]
    return pa.RecordBatch.from_pylist(records, SCHEMA)


def evaluate(text: str, rows: Sequence[Row]) -> list[object]:
    found: list[object] = compile_expression(text, CATALOGUE).evaluate(batch_of(rows)).to_pylist()
    return found


@settings(max_examples=600, deadline=None)
@given(predicates(3), ROWS)
def test_predicates_mean_what_sqlite_says(text: str, rows: list[Row]) -> None:
    # Numbers beyond 2^53 are compared as doubles here, exactly there.
    small = [tuple(None if v in (2**53 + 1, -(2**62)) else v for v in row) for row in rows]
    expected = [None if value is None else bool(value) for value in in_sqlite(text, small)]
    assert evaluate(text, small) == expected


@settings(max_examples=400, deadline=None)
@given(numbers(3), ROWS)
def test_arithmetic_is_sqlites_on_doubles(text: str, rows: list[Row]) -> None:
    small = [tuple(None if v in (2**53 + 1, -(2**62)) else v for v in row) for row in rows]
    for found, expected in zip(evaluate(text, small), in_sqlite(text, small), strict=True):
        if expected is None or found is None:
            assert found is None
            assert expected is None
        else:
            assert isinstance(expected, int | float)
            assert found == pytest.approx(expected, rel=1e-6)


@settings(max_examples=100, deadline=None)
@given(predicates(2), ROWS)
def test_rows_do_not_mind_their_neighbours(text: str, rows: list[Row]) -> None:
    whole = evaluate(text, rows)
    assert [evaluate(text, [row])[0] for row in rows] == whole


@settings(max_examples=100, deadline=None)
@given(predicates(2), ROWS)
def test_terms_joined_by_and_are_the_whole(text: str, rows: list[Row]) -> None:
    predicate = compile_predicate(f"{text} and true", CATALOGUE)
    batch = batch_of(rows)
    parts = [term.evaluate(batch).to_pylist() for term in predicate.terms]
    whole = [value is True for value in predicate.evaluate(batch).to_pylist()]
    assert [all(v is True for v in values) for values in zip(*parts, strict=True)] == whole


def only(text: str, **values: object) -> object:
    record = pa.RecordBatch.from_pylist([values], SCHEMA)
    return compile_expression(text, CATALOGUE).evaluate(record).to_pylist()[0]


def test_numbers_that_are_none_are_null() -> None:
    for value in (math.nan, math.inf, -math.inf):
        assert only("x", x=value) is None
        assert only("x > 0", x=value) is None
        assert only("x is null", x=value) is True
    assert only("i / 0", i=1) is None
    assert only("0 / 0") is None
    assert only("i % 0", i=1) is None
    assert only("x * x", x=1e200) is None
    assert only("x + 1", x=None) is None


def test_remainders_have_the_sign_of_the_dividend() -> None:
    assert [only("i % 3", i=i) for i in (7, -7, None)] == [1.0, -1.0, None]
    assert only("x % 0.5", x=1.75) == 0.25
    assert only("7 % null") is None


def test_integers_are_compared_exactly_and_added_as_doubles() -> None:
    assert only("i = 9007199254740993", i=2**53 + 1) is True
    assert only("i = 9007199254740992", i=2**53 + 1) is False
    assert only("i > 0.5", i=2**62 + 1) is True
    assert only("i = 9007199254740992.0", i=2**53 + 1) is True
    assert only("i + i", i=2**62) == 2.0**63
    assert only("-i", i=3) == -3


def test_dates_are_compared_with_strings() -> None:
    import datetime

    day = datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC)
    assert only("day >= '2024-05-01'", day=day) is True
    assert only("'2024-05-02' <= day", day=day) is False
    assert only("day between '2024-05-01' and '2024-05-01 12:00:00'", day=day) is True
    assert only("day < '2024-06-01'", day=None) is None


def test_names_with_a_dot_and_constants() -> None:
    predicate = compile_predicate("other.x > 1 and b", CATALOGUE)
    assert predicate.columns == ("other.x", "b")
    assert only("1 + 1 = 2") is True
    assert compile_expression("true", CATALOGUE).columns == ()
    empty = pa.RecordBatch.from_pylist([], SCHEMA)
    assert compile_expression("1 + i", CATALOGUE).evaluate(empty).to_pylist() == []
    assert compile_expression("1", CATALOGUE).evaluate(empty).to_pylist() == []


def test_an_expression_is_the_same_after_pickling() -> None:
    expression = compile_predicate("i > 1 and s in ('a', 'b')", CATALOGUE)
    batch = batch_of([(2, None, None, None, "a", None, None)])
    expression.evaluate(batch)
    again: Expression = pickle.loads(pickle.dumps(expression))
    assert again == expression
    assert again.evaluate(batch).to_pylist() == [True]
    assert [term.text for term in again.terms] == ["i > 1", "s in ('a', 'b')"]


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("i >", "syntax error", 1, 3),
        ("i > 1 and (b", "syntax error", 1, 12),
        ("i > 1 plus b", "syntax error", 1, 12),
        ("nwords > 1", "no column nwords", 1, 1),
        ("b and\n  langxage = 'en'", "no column langxage; did you mean 'language'?", 2, 3),
        ("b and lowr(s) = 'a'", "no function lowr; did you mean 'lower'?", 1, 7),
        ("b and lower(i) = 'a'", "'i' should be a string, but is int64", 1, 13),
        ("lower(s, s) = 'a'", "it is lower(a string)", 1, 1),
        ("max(i) > 1", "it is max(a number, a number, ...), of the same row", 1, 1),
        ("regexp_matches(s, '(')", "missing ): (", 1, 19),
        ("regexp_matches(s, s)", "'s' should be a string in quotes", 1, 19),
        ("b and rank(x) > 0.5", "rank(a number) is for a mixture's `where` and `score`", 1, 7),
        ("s like 'a' || 'b'", "not supported", 1, 8),
        ("coalesce(s, i) = 'a'", "compares string with int64", 1, 1),
        ("s > 1", "compares string with int64", 1, 1),
        ("b and i", "'i' should be true or false, but is int64", 1, 7),
        ("i + s", "'s' should be a number, but is string", 1, 5),
        ("-s = 1", "'s' should be a number", 1, 2),
        ("language = 'eng'", "'eng' is no value of language; did you mean 'en'?", 1, 12),
        ("language in ('en', 'xx')", "'xx' is no value of language (en, de, zh, und)", 1, 20),
        ("language between 'a' and 'z'", "'a' is no value of language", 1, 18),
        ("day > 'soon'", "'soon' is no date", 1, 7),
        ("i in ()", "`in` needs a list of values", 1, 1),
        ("(select 1) = 1", "not supported", 1, 9),
        ("i is s", "", 1, 1),
        ("case when i then 1 else 2 end", "'i' should be true or false, but is int64", 1, 11),
        ("case when b then 1 else s end", "compares", 1, 11),
        ("", "", 1, 1),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    text: str, message: str, line: int, column: int
) -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression(text, CATALOGUE)
    told = str(raised.value)
    assert message in told
    assert f"line {line}, column {column}" in told


def test_a_predicate_is_true_or_false() -> None:
    with pytest.raises(ExpressionError, match="should be true or false, but is double: x \\+ 1"):
        compile_predicate("x + 1", CATALOGUE)
    with pytest.raises(ExpressionError, match="should be true or false"):
        compile_predicate("s", CATALOGUE)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ibxs ()<=>+-*/%.,'\"123\nandornotisnull;")) | st.text())
def test_any_text_is_compiled_or_refused_in_one_way(text: str) -> None:
    try:
        expression = compile_expression(text, CATALOGUE)
    except ExpressionError:
        return
    assert len(expression.evaluate(batch_of([(None,) * 7]))) == 1


def test_numbers_are_written_as_in_the_configuration() -> None:
    fields = {"n": pa.field("n", pa.int64())}
    batch = pa.record_batch([pa.array([1, 10, 200_000, None])], ["n"])
    expression = compile_predicate("n > 100_000 or n in (1_0, 2) and n is not null", fields)
    assert expression.evaluate(batch).to_pylist() == [False, True, True, None]


def test_terms_are_told_as_they_are_written() -> None:
    fields = {"n": pa.field("n", pa.int64()), "s": pa.field("s", pa.string())}
    text = """n  between 1_0 and 20
      and s not in ('a', 'x and y') AND (n > 1 and s <> 'b' or n is null)"""
    terms = compile_predicate(text, fields).terms
    assert [term.text for term in terms] == [
        "n between 1_0 and 20",
        "s not in ('a', 'x and y')",
        "(n > 1 and s <> 'b' or n is null)",
    ]
    for text in ("(n > 1 and n < 9)", "n > 1 or n < 0 and s = 'a'", "s = 'a and b'", "n = 1"):
        whole = compile_predicate(text, fields)
        batch = pa.record_batch([[0, 1, 5, None], ["a", "b", "a and b", None]], ["n", "s"])
        found = [term.evaluate(batch).to_pylist() for term in whole.terms]
        kept = [all(row) for row in zip(*found, strict=True)]
        assert kept == [bool(value) for value in whole.evaluate(batch).to_pylist()], text
