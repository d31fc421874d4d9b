"""Text and HTML files: charsets, compressions, limits, lines."""

import gzip

import pytest
import zstandard
from support.formats import PACK, only, read, reasons, splits, texts

from pipeline.io.records import Document, ReadOptions, Reject

LINES = ReadOptions(unit="line")
SMALL = ReadOptions(max_document_bytes=100)
PAGE = "<html><head><title>T</title></head><body><p>{}</p></body></html>"


@pytest.mark.parametrize("name", PACK)
def test_every_compression_gives_the_same(name: str) -> None:
    assert texts(read("text", PACK[name]("Grüße\r\nzwei".encode()))) == ["Grüße\r\nzwei"]
    assert texts(read("text", PACK[name]("Grüße\r\nzwei".encode()), options=LINES)) == [
        "Grüße",
        "zwei",
    ]
    assert texts(read("html", PACK[name](PAGE.format("Grüße").encode()))) == ["Grüße"]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_the_charset_is_found(codec: str) -> None:
    assert texts(read("text", "Grüße und Küsse".encode(codec))) == ["Grüße und Küsse"]
    assert texts(read("html", PAGE.format("Grüße und Küsse").encode(codec))) == ["Grüße und Küsse"]


@pytest.mark.parametrize("kind", ["text", "html"])
def test_a_bad_file_is_one_reject(kind: str) -> None:
    assert reasons(read(kind, b"")) == ["empty"]
    assert reasons(read(kind, b" \n\t")) == ["empty"]
    assert reasons(read(kind, b"x" * 401, options=SMALL)) == ["too_large"]
    packed = zstandard.compress(b"words " * 10)
    assert reasons(read(kind, packed[:-3])) == ["truncated"]
    assert reasons(read(kind, gzip.compress(b"words")[:-2])) == ["truncated"]


def test_a_line_is_a_document_or_a_reject() -> None:
    found = read(
        "text",
        b"a\n" + b"x" * 101 + b"\n\n \nb\xff\n",
        options=ReadOptions(
            unit="line", max_document_bytes=100, columns={"d": "d"}, types={"d": "int"}
        ),
    )
    assert reasons(found) == ["too_large"]
    assert texts(found) == ["a", "b\ufffd"]
    assert isinstance(found[2], Document)
    assert (found[2].position, found[2].offset, found[2].values) == ("107", 107, {"d": None})


def test_lines_before_a_break_are_kept_and_the_broken_one_is_not() -> None:
    content = "".join(f"{i} {i * 7919 % 10007}\n" for i in range(20_000)).encode()
    packed = zstandard.compress(content)
    found = read("text", packed[: len(packed) // 2], options=LINES)
    assert reasons(found) == ["truncated"]
    assert texts(found) == content.decode().splitlines()[: len(found) - 1]


def test_a_file_cut_into_ranges_is_read_once() -> None:
    data = b"one two three " * 100
    ranges = splits("text", data, 100)
    assert len(ranges) > 1
    found = [o for start, end in ranges for o in read("text", data, start, end)]
    assert texts(found) == [data.decode()]
    assert splits("html", data, 100) == [(0, -1)]


@pytest.mark.parametrize("kind", ["text", "html", "unknown"])
@pytest.mark.parametrize("skip", [0, 1, 2])
def test_what_is_committed_is_not_read_again(kind: str, skip: int) -> None:
    assert len(read(kind, b"words", skip=skip)) == (0 if skip else 1)


def test_a_file_of_no_known_format_is_one_reject() -> None:
    reject = only(read("unknown", b"\x04\x22\x4d\x18"))
    assert isinstance(reject, Reject)
    assert reject.reason == "unknown_format"
    assert "say `format:`" in (reject.detail or "")


@pytest.mark.parametrize(
    "page",
    [
        b"<" * 100_000,
        b"<p>" * 50_000 + b"x",
        b"<b>" * 50_000 + b"x",
        b"<table><tr><td>" * 20_000 + b"x",
        b"<p title='" + b"x" * 3_000_000 + b"'>x",
        b"&#99999999999999999999; &#xd800; &#0; &#x110000;" * 1000,
        b"<!--" * 100_000 + b"-->x",
        b"<svg>" * 20_000 + b"x",
        b"<script>" * 1000 + b"x",
        b"<p>a\0b</p>",
        bytes(range(256)) * 100,
    ],
    ids=lambda page: repr(page[:12]),
)
def test_a_strange_page_is_an_outcome(page: bytes) -> None:
    assert len(read("html", page)) == 1
