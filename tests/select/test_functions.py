"""Functions that SQL has not, or has otherwise, by their definitions; and what files give."""

import math

import pyarrow as pa
import pytest

from pipeline.select.expressions import ExpressionError, compile_expression
from pipeline.select.tables import csv_rows, expand_files, quotas_of
from schemas.errors import ConfigurationError

FIELDS = {name: pa.field(name, pa.float64()) for name in ("x", "y")}
FIELDS |= {"domain": pa.field("domain", pa.string()), "level": pa.field("level", pa.int64())}
FIELDS["list"] = pa.field("list", pa.list_(pa.string()))
SCHEMA = pa.schema(list(FIELDS.values()))


def only(text: str, **values: object) -> object:
    record = pa.RecordBatch.from_pylist([values], SCHEMA)
    return compile_expression(text, FIELDS).evaluate(record).to_pylist()[0]


def test_null_goes_through_max_min_mean_and_sum() -> None:
    assert only("max(x, y, 1)", x=2.0, y=5.0) == 5.0
    assert only("min(x, y, 3)", x=2.0, y=5.0) == 2.0
    assert only("mean(x, y)", x=2.0, y=5.0) == 3.5
    assert only("sum(x, y, level)", x=2.0, y=5.0, level=1) == 8.0
    for name in ("max", "min", "mean", "sum"):
        assert only(f"{name}(x, y)", x=2.0, y=None) is None
    assert only("greatest(x, y)", x=2.0, y=None) == 2.0


def test_numbers_that_can_not_be_given_are_null() -> None:
    for text in (
        "ln(0 * x)",
        "ln(-x)",
        "log(x - x)",
        "sqrt(-x)",
        "exp(x * 1000)",
        "power(-x, 0.5)",
    ):
        assert only(text, x=2.0) is None, text


def test_clip_and_bucket() -> None:
    assert [only("clip(x, 0, 1)", x=x) for x in (-1.0, 0.25, 7.0, None)] == [0.0, 0.25, 1.0, None]
    found = [only("bucket(x, 0, 1, 20)", x=x) for x in (-1.0, 0.0, 0.049, 0.05, 0.99, 1.0, 3.0)]
    assert found == [0.0, 0.0, 0.0, 1.0, 19.0, 19.0, 19.0]
    assert only("bucket(x, 0, 1, 20)", x=None) is None


def test_logarithms_are_sqls() -> None:
    assert only("ln(x)", x=math.e) == pytest.approx(1)
    assert only("log(x)", x=100.0) == pytest.approx(2)


def test_weights_of_a_file_stand_in_its_place() -> None:
    files = {"d.csv": "domain,weight\nA,0.5\nit's,2\n", "c.csv": "column,weight\nx,0.25\ny,3\n"}
    text = expand_files("lookup(domain, 'd.csv') * x + weighted_sum('c.csv')", files.__getitem__)
    assert ".csv" not in text
    assert only(text, domain="A", x=4.0, y=1.0) == 0.5 * 4 + 0.25 * 4 + 3
    assert only(text, domain="it's", x=4.0, y=1.0) == 8 + 4
    assert only(text, domain="B", x=4.0, y=1.0) is None
    levels = expand_files("lookup(level, 'l.csv')", lambda _: "level,w\n1,0.5\n-2,7\n")
    assert [only(levels, level=level) for level in (1, -2, 3)] == [0.5, 7.0, None]
    assert expand_files("x > 1", files.__getitem__) == "x > 1"


@pytest.mark.parametrize(
    ("text", "content", "message"),
    [
        ("lookup(domain)", "", "the last argument is a file's name in quotes"),
        ("lookup(domain, x)", "", "the last argument is a file's name in quotes"),
        ("weighted_sum('f.csv')", "a,b\nx,y\n", "could not convert string to float: 'y'"),
        ("weighted_sum('f.csv')", "a,b\nx,1\nx,2\n", "names something twice"),
        ("weighted_sum('f.csv')", "a,b\n", "has no line below its header"),
        ("weighted_sum('f.csv')", "a,b\nx\n", "line 2 has not as many fields"),
    ],
)
def test_files_of_weights_that_are_wrong_are_refused(text: str, content: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        expand_files(text, lambda _: content)


def test_quotas_are_read_by_stratum() -> None:
    rows = csv_rows("domain,level,share,floor,cap,max_repeats\nA,1,0.5,10,,2\n,2,1.5,,90,\n")
    quotas, total = quotas_of(rows, ["domain", "level"])
    assert total is None
    assert [(q.stratum, float(q.share), q.floor, q.cap, q.max_repeats) for q in quotas] == [
        ('["A", 1]', 0.5, 10, None, 2),
        ("[null, 2]", 1.5, 0, 90, None),
    ]
    assert quotas_of(csv_rows("domain,tokens\nA,70\nB,30\n"), ["domain"])[1] == 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("domain\nA\n", "should have the columns domain, share or tokens"),
        ("share\n1\n", "should have the columns domain, share or tokens"),
        ("domain,share,tokens\nA,1,1\n", "should have the columns"),
        ("domain,share,extra\nA,1,1\n", "should have the columns"),
        ("domain,share\nA,1\nA,2\n", 'line 3 names \\["A"\\] again'),
        ("domain,share\nA,much\n", "line 2: Invalid literal for Fraction"),
        ("domain,share\nA,-1\n", "line 2 has a number below 0"),
        ("domain,share\nA,0\n", "every share is 0"),
    ],
)
def test_quotas_that_are_wrong_are_refused(content: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        quotas_of(csv_rows(content), ["domain"])
