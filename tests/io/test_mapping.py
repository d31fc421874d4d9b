"""From keys to columns: paths, types, and what does not fit."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.io.formats.mapping import to_document, typed
from pipeline.io.records import Document, ReadOptions, Reject
from schemas.tables import MAPPED_TYPES


def document(record: dict[str, object], options: ReadOptions | None = None) -> Document:
    found = to_document(record, "0", 0, options or ReadOptions())
    assert isinstance(found, Document)
    return found


def metadata(record: dict[str, object], options: ReadOptions | None = None) -> object:
    held = document({"text": "x", **record}, options).metadata
    return None if held is None else json.loads(held, parse_constant=pytest.fail)


def test_given_columns_go_to_their_places() -> None:
    found = document({"text": "x", "url": "http://a", "id": 5})
    assert (found.url, found.source_id, found.metadata) == ("http://a", "5", None)
    options = ReadOptions({"text": "body.raw", "source_id": "key", "url": "meta.link"})
    found = document({"body": {"raw": "x"}, "key": "k", "meta": {"link": "u"}}, options)
    assert (found.text, found.url, found.source_id) == ("x", "u", "k")


def test_a_key_with_a_dot_goes_before_a_path() -> None:
    options = ReadOptions({"a": "n.a"}, {"a": "int"})
    assert document({"text": "x", "n.a": 1, "n": {"a": 2}}, options).values == {"a": 1}
    assert document({"text": "x", "n": [1]}, options).values == {"a": None}


def test_what_fits_no_column_stays_in_the_metadata() -> None:
    options = ReadOptions({"n": "n"}, {"n": "int"})
    assert metadata({"n": "7"}, options) == {"n": "7"}
    assert metadata({"n": 7}, options) is None
    assert metadata({"n": 2**63}, options) == {"n": 2**63}
    assert metadata({"id": 1.5, "url": ["u"]}) == {"id": 1.5, "url": ["u"]}
    assert metadata({"id": True}) == {"id": True}


def test_metadata_is_sorted_json_whatever_it_holds() -> None:
    held = {"z": {"b": [1, None], "a": float("nan")}, "a": float("-inf"), "m": b"\xff\xfe"}
    assert metadata(held) == {"a": None, "m": "//4=", "z": {"a": None, "b": [1, None]}}
    assert list(json.loads(document({"text": "x", **held}).metadata or "")) == ["a", "m", "z"]
    strange = {"d": Decimal("1.50"), "t": timedelta(seconds=1), "k": {3: date(2024, 5, 6)}}
    assert metadata(strange) == {"d": "1.50", "t": "0:00:01", "k": {"3": "2024-05-06"}}


@pytest.mark.parametrize(
    "record",
    [
        {"text": "\ud800"},
        {"text": "x", "other": "\ud800"},
        {"text": "x", "\udfff": 1},
        {"text": "x", "name": "\ud800"},
    ],
)
def test_a_lone_surrogate_is_a_reject(record: dict[str, object]) -> None:
    found = to_document(record, "0", 3, ReadOptions({"name": "name"}, {"name": "string"}))
    assert isinstance(found, Reject)
    assert (found.reason, found.offset) == ("invalid_unicode", 3)


MOMENT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        ("a", "string", "a"),
        (1, "string", None),
        (True, "bool", True),
        (1, "bool", None),
        (-(2**63), "int", -(2**63)),
        (2**63, "int", None),
        (10**400, "int", None),
        (True, "int", None),
        (1.0, "int", None),
        (1, "float", 1.0),
        (10**400, "float", None),
        (float("nan"), "float", None),
        (float("inf"), "float", None),
        (False, "float", None),
        ("2024-05-06T07:08:09Z", "timestamp", MOMENT),
        (" 2024-05-06 07:08:09 ", "timestamp", MOMENT),
        ("2024-05-06T09:08:09+02:00", "timestamp", MOMENT),
        ("2024-05-06", "timestamp", datetime(2024, 5, 6, tzinfo=UTC)),
        (date(2024, 5, 6), "timestamp", datetime(2024, 5, 6, tzinfo=UTC)),
        (MOMENT.astimezone(timezone(timedelta(hours=2))), "timestamp", MOMENT),
        (1714979289, "timestamp", MOMENT),
        (1714979289000, "timestamp", None),
        ("yesterday", "timestamp", None),
        ("0001-01-01T00:00:00+14:00", "timestamp", None),
        (float("nan"), "timestamp", None),
        (True, "timestamp", None),
        ([], "timestamp", None),
    ],
)
def test_a_value_is_typed_or_null(value: object, kind: str, wanted: object) -> None:
    found = typed(value, kind)
    assert found == wanted
    assert type(found) is type(wanted)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.dates()
    | st.datetimes(timezones=st.just(timezone(timedelta(hours=-11)))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["text", "url", "id", "a", "b"]), JSON))
def test_any_record_is_a_document_that_a_part_can_hold_or_a_reject(
    record: dict[str, object],
) -> None:
    for kind, of in MAPPED_TYPES.items():
        found = to_document(record, "0", 0, ReadOptions({"a": "a"}, {"a": kind}))
        if isinstance(found, Document):
            column = pa.array([found.values["a"]], of)
            assert column.to_pylist() == [found.values["a"]]
            pa.array([found.text, found.url, found.source_id, found.metadata], pa.string())
            json.loads(found.metadata or "{}", parse_constant=pytest.fail)
