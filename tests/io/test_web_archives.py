"""Web archives made here: every kind of record, coding, compression and lie."""

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from support.formats import PACK, arc, http, only, read, reasons, texts, warc

from pipeline.io.records import Document, Outcome, PassedOver, ReadOptions, Reject

PAGE = "<html><body><p>Grüße aus dem Garten, {}.</p></body></html>"


def page(number: int) -> bytes:
    return PAGE.format(number).encode()


def words(number: int) -> str:
    return f"Grüße aus dem Garten, {number}."


def chunked(body: bytes) -> bytes:
    pieces = (body[i : i + 10] for i in range(0, len(body), 10))
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


def kinds(found: list[Outcome]) -> list[str]:
    return [o.kind for o in found if isinstance(o, PassedOver)]


RECORDS = [warc(http(page(i)), number=i) for i in range(3)]
ARC = arc(*((f"http://example.org/{i}", http(page(i))) for i in range(3)))
CONTAINERS: dict[str, Callable[[list[bytes]], bytes]] = {
    "plain": b"".join,
    "a gzip member each": lambda records: b"".join(map(gzip.compress, records)),
    "a zstd frame each": lambda records: b"".join(map(zstandard.compress, records)),
    "zstd as a whole": lambda records: zstandard.compress(b"".join(records)),
    "bzip2 as a whole": lambda records: PACK["bzip2"](b"".join(records)),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_gives_the_same_documents(name: str) -> None:
    found = read("warc", CONTAINERS[name](RECORDS))
    documents = [o for o in found if isinstance(o, Document)]
    assert [o.text for o in documents] == [words(i) for i in range(3)]
    assert [o.url for o in documents] == [f"http://example.org/{i}" for i in range(3)]
    ids = [f"<urn:uuid:00000000-0000-0000-0000-{i:012d}>" for i in range(3)]
    assert [o.source_id for o in documents] == ids
    assert [o.position for o in documents] == [
        f"{name} http://example.org/{i}" for i, name in enumerate(ids)
    ]
    for skip in range(5):
        assert read("warc", CONTAINERS[name](RECORDS), skip=skip) == found[skip:]


def test_gzip_as_a_whole_is_read_too() -> None:
    assert texts(read("warc", gzip.compress(b"".join(RECORDS)))) == [words(i) for i in range(3)]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("pack", ["plain", "gzip", "zstd"])
def test_arc_of_both_versions(version: int, pack: str) -> None:
    pages = [(f"http://example.org/{i}", http(page(i))) for i in range(3)]
    found = read("warc", PACK[pack](arc(*pages, version=version)))
    assert kinds(found) == ["warc warcinfo"]
    assert texts(found) == [words(i) for i in range(3)]
    documents = [o for o in found if isinstance(o, Document)]
    assert [o.url for o in documents] == [f"http://example.org/{i}" for i in range(3)]
    assert [o.source_id for o in documents] == [None] * 3
    assert read("warc", PACK[pack](arc(*pages, version=version))) == found
    for skip in range(6):
        assert read("warc", PACK[pack](arc(*pages, version=version)), skip=skip) == found[skip:]


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        (b"gzip", gzip.compress),
        (b"x-gzip", gzip.compress),
        (b"deflate", zlib.compress),
        (b"deflate", lambda body: zlib.compress(body)[2:-4]),
        (b"br", brotli.compress),
        (b"zstd", zstandard.compress),
        (b"ZSTD", lambda b: zstandard.ZstdCompressor(write_content_size=False).compress(b)),
        (b"gzip", lambda body: body),
        (b"br", lambda body: body),
        (b"zstd", lambda body: body),
        (b"deflate", lambda body: body),
        (b"identity", lambda body: body),
        (b"unheard-of", lambda body: body),
    ],
)
@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_coded_body_is_decoded(
    coding: bytes, encode: Callable[[bytes], bytes], in_chunks: bool
) -> None:
    body = encode(page(1))
    headers = [b"Content-Encoding: " + coding]
    if in_chunks:
        headers.append(b"Transfer-Encoding: chunked")
        body = chunked(body)
    assert texts(read("warc", warc(http(body, *headers)))) == [words(1)]


@pytest.mark.parametrize(
    ("coding", "encode"),
    [(b"gzip", gzip.compress), (b"br", brotli.compress), (b"zstd", zstandard.compress)],
)
def test_a_large_coded_body_is_decoded_to_its_end(
    coding: bytes, encode: Callable[[bytes], bytes]
) -> None:
    told = " ".join(f"word{i * 7919 % 10007}" for i in range(30_000))
    body = chunked(encode(told.encode()))
    headers = (b"Content-Type: text/plain", b"Transfer-Encoding: chunked")
    record = warc(http(body, *headers, b"Content-Encoding: " + coding))
    assert texts(read("warc", record)) == [told]


def test_a_body_of_two_codings_is_decoded() -> None:
    body = brotli.compress(gzip.compress(page(1)))
    assert texts(read("warc", warc(http(body, b"Content-Encoding: gzip, br")))) == [words(1)]


def test_a_body_said_to_be_in_chunks_that_is_not_is_taken_as_it_is() -> None:
    record = warc(http(page(1), b"Transfer-Encoding: chunked"))
    assert texts(read("warc", record)) == [words(1)]


def test_a_body_that_is_cut_off_is_read_as_far_as_it_goes_or_is_a_reject() -> None:
    for coding, encode in ((b"gzip", gzip.compress), (b"zstd", zstandard.compress)):
        body = encode(page(1) * 50)[:-9]
        found = read("warc", warc(http(body, b"Content-Encoding: " + coding)) + RECORDS[2])
        assert len(found) == 2
        assert texts(found)[-1] == words(2)


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (warc(http(b""), b"WARC-Type: revisit"), "warc revisit"),
        (warc(b"x: y", b"WARC-Type: metadata"), "warc metadata"),
        (warc(b"GET / HTTP/1.1\r\n\r\n", b"WARC-Type: request"), "warc request"),
        (warc(b"x", b"WARC-Type: continuation"), "warc continuation"),
        (warc(b"x", b"WARC-Type: m\xc3\xa4rchen"), "warc other type"),
        (warc(http(page(1), status=b"404 Not Found")), "http 404"),
        (warc(http(page(1), status=b"301 Moved")), "http 301"),
        (warc(http(page(1), status="٢٠٠ OK".encode())), "http other"),
        (warc(http(page(1), status=b"99999 OK")), "http other"),
        (warc(http(b"\x89PNG", b"Content-Type: image/png")), "mime image"),
        (warc(http(b"%PDF", b"Content-Type: application/pdf")), "mime application"),
        (warc(http(b"x", b"Content-Type: strange/thing")), "mime other"),
        (warc(http(b"\0\1\2\0", b"Content-Type: ")), "mime unknown"),
    ],
)
def test_what_holds_no_document_is_passed_over(record: bytes, kind: str) -> None:
    assert only(read("warc", record)) == PassedOver(kind)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([b"Content-Type: text/html; charset=windows-1252"], PAGE.format(1).encode("cp1252")),
        ([b"Content-Type: text/html"], b"\xef\xbb\xbf" + page(1)),
        ([b"Content-Type: text/html"], PAGE.format(1).encode("utf-16")),
        ([b"Content-Type: text/html"], b"<meta charset=latin1>" + PAGE.format(1).encode("cp1252")),
        ([b"Content-Type: text/html"], PAGE.format(1).encode("cp1252")),
        ([b"Content-Type: application/xhtml+xml;x=y"], page(1)),
        ([b"Content-Type: "], page(1)),
        ([b"Content-Type: html"], page(1)),
        ([b"Content-Type: text/html; charset=no-such-thing"], page(1)),
        ([b"Content-Type: text/html; charset=\xff\xfe"], page(1)),
        ([b"Content-Type: text/plain; charset=utf-8"], words(1).encode()),
        ([b"X-Odd: \x00\x01\xff\xfe\t", b": no name", b"no colon"], page(1)),
        ([b"X-Long: " + b"x" * 200_000], page(1)),
        ([b"X-%d: y" % i for i in range(2000)], page(1)),
    ],
)
def test_the_page_is_read_whatever_its_headers(headers: list[bytes], body: bytes) -> None:
    assert texts(read("warc", warc(http(body, *headers)))) == [words(1)]


def test_a_resource_and_a_page_without_http_headers_are_read() -> None:
    record = warc(page(1), b"Content-Type: text/html", kind=b"resource")
    assert texts(read("warc", record)) == [words(1)]
    conversion = warc("Grüße.\r\nMehr.".encode(), b"Content-Type: text/plain", kind=b"conversion")
    assert texts(read("wet", conversion)) == ["Grüße.\nMehr."]


def test_the_date_and_any_header_can_be_mapped() -> None:
    options = ReadOptions(
        {"digest": "WARC-Payload-Digest"}, {"date": "timestamp", "digest": "string", "no": "int"}
    )
    found = only(read("warc", warc(http(page(1)), b"WARC-Payload-Digest: x1"), options=options))
    assert isinstance(found, Document)
    assert str(found.values["date"]) == "2024-05-06 07:08:09+00:00"
    assert (found.values["digest"], found.values["no"]) == ("x1", None)


def test_repeated_and_missing_ids_still_give_different_positions() -> None:
    same = warc(http(page(1)))
    bare = warc(http(page(1)), b"WARC-Record-ID: ")
    for archive in (same * 3, bare * 3):
        found = read("warc", archive)
        assert len({o.position for o in found if isinstance(o, Document)}) == 3
        assert read("warc", archive) == found
    assert [o.position[-3:] for o in read("warc", same * 3) if isinstance(o, Document)] == [
        "g/1",
        " #2",
        " #3",
    ]
    assert read("warc", same * 3, skip=2) == read("warc", same * 3)[2:]


def test_an_empty_and_an_oversized_page_are_rejects() -> None:
    options = ReadOptions(max_document_bytes=1000)
    large = [b"<p>" + b"x" * 5000, b"<p>" + b"x" * 2000]
    records = [warc(http(body)) for body in (b"", b"<html></html>", *large)]
    bomb = warc(http(gzip.compress(b"\0" * 50_000_000), b"Content-Encoding: gzip"))
    swell = warc(http(zstandard.compress(b"\0" * 50_000_000), b"Content-Encoding: zstd"))
    found = read("warc", b"".join(records) + bomb + swell + RECORDS[0], options=options)
    assert reasons(found) == ["empty", "empty", "too_large", "too_large", "too_large", "too_large"]
    assert texts(found) == [words(0)]
    rejects = [o for o in found if isinstance(o, Reject)]
    assert all(o.source_id and o.source_id.startswith("<urn") for o in rejects)
    assert [o.offset for o in rejects][:2] == [0, len(records[0])]


@pytest.mark.parametrize("difference", [-20, -1, 1, 20, 10**6, 10**15])
def test_a_wrong_content_length_loses_no_more_than_what_follows(difference: int) -> None:
    content = http(page(1))
    wrong = warc(content, b"Content-Length: %d" % (len(content) + difference))
    found = read("warc", RECORDS[0] + wrong + RECORDS[2])
    assert texts(found)[0] == words(0)
    if difference < 2:
        assert texts(found)[2] == words(2)
    else:
        assert reasons(found) == ["truncated" if difference >= 10**6 else "unreadable"]
    for skip in range(len(found) + 1):
        assert read("warc", RECORDS[0] + wrong + RECORDS[2], skip=skip) == found[skip:]


@pytest.mark.parametrize("length", [b"", b"-1", b"x", b"1e3", b"9" * 30, "٣".encode()])
def test_a_content_length_that_is_no_number_is_an_outcome(length: bytes) -> None:
    found = read("warc", RECORDS[0] + warc(http(page(1)), b"Content-Length: " + length))
    assert texts(found)[0] == words(0)


def test_a_broken_archive_keeps_what_came_before() -> None:
    whole = b"".join(map(gzip.compress, RECORDS))
    for broken, reason in (
        (whole[:-40], ["truncated"]),
        (whole[:-4], ["unreadable"]),
        (whole + b"garbage", ["unreadable"]),
        (whole + b"\x1f\x8b garbage", ["unreadable"]),
        (b"".join(RECORDS)[:-40], ["truncated"]),
        (b"".join(RECORDS)[:-2], []),
    ):
        found = read("warc", broken)
        assert texts(found)[:2] == [words(0), words(1)]
        assert reasons(found) == reason
        assert [type(o) for o in found[2:]] == [Document] * (len(found) - 2 - len(reason)) + [
            Reject
        ] * len(reason)
    packed = zstandard.compress(b"".join(RECORDS) * 300)
    found = read("warc", packed[:-20])
    assert reasons(found) == ["unreadable"]


@pytest.mark.parametrize("data", [b"", b"hello", b"\x04\x22\x4d\x18", b"PK\x03\x04", b"\0" * 99])
def test_what_is_no_archive_is_one_reject(data: bytes) -> None:
    assert reasons(read("warc", data)) == ["unknown_format"]
    assert read("warc", data, skip=1) == []


SEEDS = [
    b"".join(RECORDS),
    ARC,
    b"".join(map(gzip.compress, RECORDS)),
    zstandard.compress(b"".join(RECORDS)),
    warc(http(chunked(gzip.compress(page(1))), b"Transfer-Encoding: chunked")),
    warc(http(gzip.compress(page(1)), b"Content-Encoding: gzip")) + RECORDS[1],
    warc(http(brotli.compress(page(1)), b"Content-Encoding: br")) + RECORDS[1],
]


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
    st.integers(0, 2000),
    st.integers(0, 4),
)
def test_a_damaged_archive_is_outcomes(
    seed: bytes, changes: list[tuple[int, int]], cut: int, skip: int
) -> None:
    data = bytearray(seed)
    for at, value in changes:
        data[at % len(data)] = value
    damaged = bytes(data[: len(data) - cut] if cut < len(data) else data)
    whole = read("warc", damaged)
    assert read("warc", damaged, skip=skip) == whole[skip:]
