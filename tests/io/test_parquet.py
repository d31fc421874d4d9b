"""Parquet as a source: any types, row groups, rows that can't be read, damage."""

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.formats import only, read, reasons, splits, texts

from pipeline.io.records import Document, Outcome, ReadOptions, Reject


def packed(table: pa.Table, rows: int = 3) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=rows)
    return sink.getvalue()


def numbered(count: int) -> pa.Table:
    return pa.table({"text": [f"text {i}" for i in range(count)], "n": list(range(count))})


def positions(found: list[Outcome]) -> list[str]:
    return [o.position for o in found if isinstance(o, Document)]


def test_a_row_is_a_document() -> None:
    moment = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    table = pa.table(
        {
            "content": ["one", "two"],
            "at": pa.array([moment, None], pa.timestamp("ns", "America/New_York")),
            "info": [{"lang": "en", "score": 0.5}, {"lang": None, "score": float("nan")}],
            "price": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
            "labels": pa.array(["a", "b"]).dictionary_encode(),
            "raw": [b"plain", b"\xff\xfe"],
            "pairs": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
        }
    )
    options = ReadOptions(
        {"text": "content", "date": "at", "lang": "info.lang"},
        {"date": "timestamp", "lang": "string"},
    )
    first, second = read("parquet", packed(table), options=options)
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert first.values == {"date": moment, "lang": "en"}
    assert second.values == {"date": None, "lang": None}
    held = json.loads(first.metadata or "")
    assert held["raw"] == "plain"
    assert held["labels"] == "a"
    assert held["price"] == "1.50"
    assert held["pairs"] == [["k", 1]]
    assert json.loads(second.metadata or "")["raw"] == "//4="
    assert json.loads(second.metadata or "")["info"] == {"lang": None, "score": None}


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()]
)
def test_text_of_any_string_type_is_taken(kind: pa.DataType) -> None:
    table = pa.table({"text": pa.array(["Grüße", None, "x"], pa.string()).cast(kind)})
    found = read("parquet", packed(table))
    assert texts(found) == ["Grüße", "x"]
    assert reasons(found) == ["missing_text"]


def test_a_row_that_can_not_be_read_is_one_reject() -> None:
    bad = pa.array([b"a", b"\xff", b"c"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, bad.buffers())
    found = read("parquet", packed(pa.table({"text": text})))
    assert (texts(found), reasons(found)) == (["a", "c"], ["invalid_utf8"])
    found = read("parquet", packed(pa.table({"text": bad})))
    assert (texts(found), reasons(found)) == (["a", "c"], ["invalid_utf8"])
    nested = pa.StructArray.from_arrays([text], ["inner"])
    found = read("parquet", packed(pa.table({"text": ["a", "b", "c"], "n": nested})))
    assert (texts(found), reasons(found)) == (["a", "c"], ["invalid_utf8"])
    far = pa.array([0, 2**62, 0], pa.timestamp("us"))
    found = read("parquet", packed(pa.table({"text": ["a", "b", "c"], "at": far})))
    assert (texts(found), reasons(found)) == (["a", "c"], ["invalid_value"])
    assert positions(found) == ["0", "2"]
    reject = found[1]
    assert isinstance(reject, Reject)
    assert reject.offset == 1


def test_a_table_without_a_column_of_text_is_a_reject_a_row() -> None:
    assert reasons(read("parquet", packed(pa.table({"n": [1, 2]})))) == ["missing_text"] * 2
    assert reasons(read("parquet", packed(pa.table({"text": [1]})))) == ["text_not_string"]
    assert read("parquet", packed(numbered(0))) == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 20), st.integers(1, 6), st.integers(1, 400))
def test_ranges_of_row_groups_give_the_whole(count: int, rows: int, target: int) -> None:
    data = packed(numbered(count), rows)
    whole = read("parquet", data)
    assert texts(whole) == [f"text {i}" for i in range(count)]
    assert positions(whole) == [str(i) for i in range(count)]
    ranges = splits("parquet", data, target)
    assert [o for a, b in ranges for o in read("parquet", data, a, b)] == whole
    for skip in range(count + 2):
        assert read("parquet", data, skip=skip) == whole[skip:]


def test_skipping_counts_the_rows_that_can_not_be_read() -> None:
    far = pa.array([0, 2**62, 0, 2**62], pa.timestamp("us"))
    data = packed(pa.table({"text": ["a", "b", "c", "d"], "at": far}), 3)
    whole = read("parquet", data)
    for skip in range(6):
        assert read("parquet", data, skip=skip) == whole[skip:]


def test_large_rows_are_read_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    batches = pq.ParquetFile.iter_batches

    def recorded(self: pq.ParquetFile, size: int, *rest: object, **named: object) -> object:
        asked.append(size)
        return batches(self, size, *rest, **named)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", recorded)
    large = pa.table({"text": [str(i) * 4_000_000 for i in range(8)]})
    assert len(texts(read("parquet", packed(large, 8)))) == 8
    assert len(texts(read("parquet", packed(numbered(8), 8)))) == 8
    assert asked[0] <= 5
    assert asked[1] == 1024


def test_a_file_that_is_none_is_one_reject() -> None:
    data = packed(numbered(9))
    for broken in (b"", b"PAR1", b"PAR1" * 10, data[:-10], data[:-10] + data[-4:]):
        reject = only(read("parquet", broken))
        assert isinstance(reject, Reject)
        assert reject.reason == "unreadable"
        assert splits("parquet", broken, 1) == [(0, -1)]
        assert read("parquet", broken, skip=1) == []


def test_damage_within_keeps_the_row_groups_before_it() -> None:
    table = pa.table({"text": [f"{i} {i * 7919 % 10007} " * 20 for i in range(100)]})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=50, compression="gzip", use_dictionary=False)
    data = bytearray(sink.getvalue())
    at = pq.read_metadata(sink).row_group(1).column(0).data_page_offset
    data[at + 40 : at + 200] = bytes(160)
    found = read("parquet", bytes(data))
    assert len(texts(found)) == 50
    assert reasons(found) == ["unreadable"]
    for skip in (0, 49, 50, 51):
        assert read("parquet", bytes(data), skip=skip) == found[skip:]


@pytest.mark.parametrize("compression", ["snappy", "gzip", "zstd", "brotli", "lz4", "none"])
def test_every_compression_is_read(compression: str, tmp_path: Path) -> None:
    pq.write_table(numbered(5), tmp_path / "x.parquet", compression=compression)
    assert len(texts(read("parquet", (tmp_path / "x.parquet").read_bytes()))) == 5
