"""JSON lines: every compression, every way to be wrong, every cut."""

import bz2
import gzip
import io
import itertools
import json

import pytest
import zstandard
from hypothesis import assume, given
from hypothesis import strategies as st
from support.formats import PACK, read, reasons, splits, texts

from pipeline.io.formats.compression import is_plain
from pipeline.io.records import Document, ReadOptions, Reject

SMALL = ReadOptions(max_document_bytes=100)


@pytest.mark.parametrize("name", PACK)
def test_every_compression_gives_the_same(name: str) -> None:
    data = b'\xef\xbb\xbf{"text": "one", "id": 7}\r\n\n{"text": "two", "n": {"a": 1}}'
    found = read("jsonl", PACK[name](data), options=ReadOptions({"a": "n.a"}, {"a": "int"}))
    assert texts(found) == ["one", "two"]
    assert [o.source_id for o in found if isinstance(o, Document)] == ["7", None]
    assert [o.position for o in found if isinstance(o, Document)] == ["0", "30"]
    assert isinstance(found[1], Document)
    assert found[1].values == {"a": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "invalid_json"),
        (b'{"text": NaN}', "invalid_json"),
        (b'{"text": "a"} {"text": "b"}', "invalid_json"),
        (b"[1]", "not_an_object"),
        (b"null", "not_an_object"),
        (b"{}", "missing_text"),
        (b'{"text": null}', "missing_text"),
        (b'{"txt": "a"}', "missing_text"),
        (b'{"text": 5}', "text_not_string"),
        (b'{"text": ["a"]}', "text_not_string"),
        (b'{"text": "\xff"}', "invalid_utf8"),
        (b'{"text": "\xed\xa0\x80"}', "invalid_utf8"),
        (b'{"text": "\\ud800"}', "invalid_unicode"),
        (b'{"text": ""}', "empty"),
        (b'{"text": " \\n\\u00a0"}', "empty"),
        (b'{"text": "' + b"x" * 101 + b'"}', "too_large"),
        (b'{"text": "' + "é".encode() * 51 + b'"}', "too_large"),
        (b'{"text": "' + b"x" * 3_000_000 + b'"}', "too_large"),
        (b"[" * 100_000, "invalid_json"),
        (b'{"text": "a", "deep": ' + b"[" * 300 + b"]" * 300 + b"}", "too_nested"),
    ],
)
def test_a_bad_record_is_one_reject(line: bytes, reason: str) -> None:
    found = read("jsonl", b'{"text": "a"}\n' + line + b'\n{"text": "b"}', options=SMALL)
    assert [type(o) for o in found] == [Document, Reject, Document]
    assert isinstance(found[1], Reject)
    assert found[1].reason == reason
    assert found[1].offset == 14


def test_a_text_of_exactly_the_most_bytes_is_taken() -> None:
    for text in ("x" * 100, "é" * 50, "\x01" * 100):
        found = read("jsonl", json.dumps({"text": text}).encode(), options=SMALL)
        assert texts(found) == [text]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, bz2.compress])
def test_a_broken_stream_keeps_what_came_before(pack: object) -> None:
    assert callable(pack)
    lines = [json.dumps({"text": f"{i} {i * 7919 % 10007} " * 50}) for i in range(9000)]
    packed = pack("\n".join(lines).encode())
    found = read("jsonl", packed[: len(packed) // 2])
    assert len(found) > 10
    assert reasons(found) == ["truncated"]
    assert isinstance(found[-1], Reject)
    whole = read("jsonl", "\n".join(lines).encode())
    assert found[:-1] == whole[: len(found) - 1]
    assert found[-1].offset == sum(len(line) + 1 for line in lines[: len(found) - 1])


def test_blank_lines_are_no_records() -> None:
    assert (
        read("jsonl", b"") == read("jsonl", b"\n\r\n  \n") == read("jsonl", b"\xef\xbb\xbf") == []
    )


LINES = st.lists(
    st.one_of(
        st.text(max_size=20).map(lambda t: json.dumps({"text": t}).encode("utf-8", "replace")),
        st.text(max_size=20).map(
            lambda t: json.dumps({"text": t}, ensure_ascii=False).encode("utf-8", "replace")
        ),
        st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")),
        st.sampled_from([b"", b" ", b"\r", b"\xef\xbb\xbf", b"null", b'{"text": "\xc3\xa9"}']),
    ),
    max_size=10,
)


@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.booleans(), st.booleans(), st.data())
def test_ranges_cut_anywhere_give_the_whole(
    lines: list[bytes], end: bytes, bom: bool, last: bool, data: st.DataObject
) -> None:
    content = (b"\xef\xbb\xbf" if bom else b"") + end.join(lines) + (end if last else b"")
    assume(is_plain(io.BytesIO(content)))
    for kind, options in (("jsonl", ReadOptions()), ("text", ReadOptions(unit="line"))):
        whole = read(kind, content, options=options)
        assert read(kind, gzip.compress(content), options=options) == whole
        cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=6))
        edges = sorted({0, len(content), *cuts})
        ranges = itertools.pairwise(edges)
        pieces = [read(kind, content, a, b, options=options) for a, b in ranges]
        assert [o for piece in pieces for o in piece] == whole
        for skip in range(len(whole) + 2):
            assert read(kind, content, skip=skip, options=options) == whole[skip:]


@given(st.integers(0, 100), st.integers(1, 60))
def test_a_plain_file_is_cut_and_a_compressed_one_is_not(size: int, target: int) -> None:
    data = b"x" * size
    ranges = splits("jsonl", data, target)
    if len(ranges) > 1:
        assert [a for a, _ in ranges] == list(range(0, size, target))
        assert [b for _, b in ranges] == [*(a for a, _ in ranges[1:]), size]
    else:
        assert size <= target
    assert splits("jsonl", gzip.compress(data), target) == [(0, -1)]


def test_a_line_that_spans_ranges_is_read_once_and_not_to_its_end_by_each() -> None:
    data = json.dumps({"text": "x" * 500_000}).encode() + b'\n{"text": "y"}'
    ranges = splits("jsonl", data, 1000)
    found = [o for start, end in ranges for o in read("jsonl", data, start, end)]
    assert texts(found) == ["x" * 500_000, "y"]


def test_a_range_that_begins_within_a_very_long_line_goes_on_after_it() -> None:
    data = json.dumps({"text": "x" * 3_500_000}).encode() + b'\n{"text": "y"}'
    assert texts(read("jsonl", data, 10, len(data))) == ["y"]
    assert read("jsonl", data, 10, 3_000_000) == []
