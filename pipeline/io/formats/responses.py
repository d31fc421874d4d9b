"""HTTP responses as archives keep them: status, headers, and the body without its codings."""

import io
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.io.formats.archives import parse_headers
from pipeline.io.formats.compression import broken, unzstd

_STATUS = re.compile(rb"HTTP/\S*[ \t]+(\S+)")
_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response; `status` is None where the record holds no HTTP."""

    status: str | None
    headers: Mapping[str, str]
    body: bytes


def parse_response(record: bytes) -> Response:
    """The response that a record holds; all of the record is the body where it holds none."""
    found = _STATUS.match(record)
    if found is None:
        return Response(None, {}, record)
    end = _END.search(record)
    head, body = (record[: end.start()], record[end.end() :]) if end else (record, b"")
    status = found.group(1).decode("latin-1")
    return Response(status, parse_headers(iter(head.split(b"\n")[1:])), body)


def decoded(response: Response, limit: int) -> bytes | None:
    """The body without its transfer and content codings; None where it is longer than `limit`.

    What is cut off or damaged is read as far as it goes, as browsers do; what is not coded
    as the headers say is taken as it is, for archives often keep the headers of another form.
    """
    body = response.body
    if "chunked" in response.headers.get("transfer-encoding", "").lower():
        body = _unchunked(body)
    codings = response.headers.get("content-encoding", "").lower().split(",")
    for coding in reversed(codings[-3:]):
        decode = _DECODERS.get(coding.strip())
        plain = _gathered(decode(body), limit) if decode else body
        if plain is None:
            return None
        body = plain or body
    return body


def _gathered(pieces: Iterator[bytes], limit: int) -> bytes | None:
    import brotli

    gathered: list[bytes] = []
    length = 0
    try:
        for piece in pieces:
            gathered.append(piece)
            length += len(piece)
            if length > limit:
                return None
    except (*broken(), brotli.error):
        pass
    return b"".join(gathered)


def _unchunked(body: bytes) -> bytes:
    pieces: list[bytes] = []
    at = 0
    while found := _CHUNK_SIZE.match(body, at):
        size = int(found.group(1), 16)
        if not size:
            break
        pieces.append(body[found.end() : found.end() + size])
        at = found.end() + size
        at += 2 if body[at : at + 2] == b"\r\n" else 1
    return b"".join(pieces) if pieces or found else body


def _inflated(body: bytes) -> Iterator[bytes]:
    """Of gzip and zlib; of bare deflate, which some servers send for the latter."""
    window = 47 if body[:2] == b"\x1f\x8b" or _is_zlib(body) else -15
    inflater = zlib.decompressobj(window)
    rest = body
    while rest and not inflater.eof:
        yield inflater.decompress(rest, _PIECE)
        rest = inflater.unconsumed_tail


def _is_zlib(body: bytes) -> bool:
    return len(body) > 1 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def _unbrotlied(body: bytes) -> Iterator[bytes]:
    import brotli

    decompressor = brotli.Decompressor()
    yield decompressor.process(body, output_buffer_limit=_PIECE)
    while not decompressor.is_finished():
        piece = decompressor.process(b"", output_buffer_limit=_PIECE)
        if not piece:
            return
        yield piece


def _unzstd(body: bytes) -> Iterator[bytes]:
    stream = unzstd(io.BytesIO(body))
    while piece := stream.read(_PIECE):
        yield piece


_DECODERS = {
    "gzip": _inflated,
    "x-gzip": _inflated,
    "deflate": _inflated,
    "br": _unbrotlied,
    "zstd": _unzstd,
}
