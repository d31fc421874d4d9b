"""What the tests of source formats share: reading bytes, packing them, making web archives."""

import bz2
import gzip
import io
from collections.abc import Callable, Sequence

import zstandard

from pipeline.io.formats import load_format
from pipeline.io.records import Document, Outcome, ReadOptions, Reject

PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "two members": lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]),
    "bzip2": bz2.compress,
    "two streams": lambda data: bz2.compress(data[:7]) + bz2.compress(data[7:]),
    "zstd": zstandard.compress,
    "two frames": lambda data: zstandard.compress(data[:7]) + zstandard.compress(data[7:]),
    "skipped frame": lambda data: b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstandard.compress(data),
}
"""Every way in which a file may be compressed."""


def read(
    kind: str,
    data: bytes,
    start: int = 0,
    end: int = -1,
    skip: int = 0,
    options: ReadOptions | None = None,
) -> list[Outcome]:
    """All outcomes of a range of a file of these bytes."""
    reader = load_format(kind)
    return list(reader.records(io.BytesIO(data), "x", start, end, options or ReadOptions(), skip))


def splits(kind: str, data: bytes, target: int) -> list[tuple[int, int]]:
    """The ranges into which the format cuts a file of these bytes."""
    return load_format(kind).splits(io.BytesIO(data), "x", len(data), target)


def texts(outcomes: Sequence[Outcome]) -> list[str]:
    """The documents' texts."""
    return [outcome.text for outcome in outcomes if isinstance(outcome, Document)]


def reasons(outcomes: Sequence[Outcome]) -> list[str]:
    """The rejects' reasons."""
    return [outcome.reason for outcome in outcomes if isinstance(outcome, Reject)]


def only(outcomes: Sequence[Outcome]) -> Outcome:
    """The one outcome that there is."""
    assert len(outcomes) == 1, outcomes
    return outcomes[0]


def http(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """An HTTP response; its Content-Type is HTML unless the headers say otherwise."""
    if not any(header.lower().startswith(b"content-type") for header in headers):
        headers = (b"Content-Type: text/html; charset=utf-8", *headers)
    return b"\r\n".join([b"HTTP/1.1 " + status, *headers, b"", body])


def warc(content: bytes, *headers: bytes, kind: bytes = b"response", number: int = 1) -> bytes:
    """A WARC record; headers replace those of the same name."""
    fields = {
        b"WARC-Type": kind,
        b"WARC-Record-ID": b"<urn:uuid:00000000-0000-0000-0000-%012d>" % number,
        b"WARC-Target-URI": b"http://example.org/%d" % number,
        b"WARC-Date": b"2024-05-06T07:08:09Z",
        b"Content-Type": b"application/http; msgtype=response",
        b"Content-Length": b"%d" % len(content),
    }
    for header in headers:
        name, _, value = header.partition(b": ")
        fields[name] = value
    head = b"".join(name + b": " + value + b"\r\n" for name, value in fields.items() if value)
    return b"WARC/1.0\r\n" + head + b"\r\n" + content + b"\r\n\r\n"


def arc(*pages: tuple[str, bytes], version: int = 1) -> bytes:
    """An ARC file of these URLs and HTTP responses."""
    columns = {
        1: b"URL IP-address Archive-date Content-type Archive-length",
        2: b"URL IP-address Archive-date Content-type Result-code Checksum Location Offset "
        b"Filename Archive-length",
    }[version]
    told = b"%d 0 maker\n" % version + columns + b"\n"
    middle = b" " if version == 1 else b" 200 - - 123456789 x.arc "
    pieces = [b"filedesc://x.arc 0.0.0.0 20240506070809 text/plain" + middle]
    pieces += [b"%d\n" % len(told), told, b"\n"]
    for url, page in pages:
        head = url.encode() + b" 127.0.0.1 20240506070809 text/html" + middle
        pieces += [head, b"%d\n" % len(page), page, b"\n"]
    return b"".join(pieces)
