"""Web archives: WARC, ARC and WET, compressed by the record, as a whole, or not at all."""

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

import xxhash

from pipeline.io.extraction import main_text
from pipeline.io.formats.archives import Archive, Record
from pipeline.io.formats.compression import broken, decompressed, is_plain
from pipeline.io.formats.mapping import check_text, typed
from pipeline.io.formats.responses import Response, decoded, parse_response
from pipeline.io.records import Document, Outcome, PassedOver, ReadOptions, Reject
from pipeline.text.charset import decode

_TEXT = ("text/html", "application/xhtml+xml", "text/plain")
_DOCUMENTS = frozenset({"response", "resource", "conversion"})
_OTHERS = ("warcinfo", "request", "metadata", "revisit", "continuation")
_MIMES = ("application", "audio", "font", "image", "message", "model", "multipart", "text", "video")
_BEGINNINGS = (b"WARC/", b"filedesc:", b"http://", b"https://", b"dns:")


class Warc:
    """Pages of HTTP responses and resources; other record types are passed over."""

    name: ClassVar[str] = "warc"

    def splits(self, file: BinaryIO, name: str, size: int, target: int) -> list[tuple[int, int]]:
        """The whole file."""
        return [(0, -1)]

    def records(
        self,
        file: BinaryIO,
        name: str,
        start: int,
        end: int,
        options: ReadOptions,
        skip: int = 0,
    ) -> Iterator[Outcome]:
        """What each record gives; where the archive breaks, one reject for the rest."""
        if (reject := _unknown(file)) is not None:
            if not skip:
                yield reject
            return
        limit = 4 * options.max_document_bytes
        archive = Archive(decompressed(file))
        records = archive.records(_DOCUMENTS, limit, skip)
        positions: Counter[int] = Counter()
        number = 0
        while True:
            try:
                record = next(records)
            except StopIteration:
                return
            except broken() as error:
                if number >= skip:
                    detail = str(error) or type(error).__name__
                    yield Reject(-1, None, "unreadable", detail[:200])
                return
            position = _position(record, positions) if record.kind in _DOCUMENTS else ""
            if number >= skip:
                yield _outcome(record, position, limit, options)
            number += 1


class Wet(Warc):
    """WET: the text that Common Crawl extracted."""

    name: ClassVar[str] = "wet"


def _unknown(file: BinaryIO) -> Reject | None:
    plain = is_plain(file)
    head = file.read(16)
    file.seek(0)
    if not head:
        return Reject(0, None, "unknown_format", "the file is empty")
    if not plain or head.lstrip().startswith(_BEGINNINGS):
        return None
    return Reject(0, None, "unknown_format", f"begins with {head[:8].hex()}: no WARC, no ARC")


def _position(record: Record, positions: Counter[int]) -> str:
    name = record.headers.get("warc-record-id") or record.offset
    position = f"{name} {record.headers.get('warc-target-uri', '').strip('<>')}"
    # Only the digests are kept, for archives of many millions of records.
    digest = xxhash.xxh3_64_intdigest(position.encode("utf-8", "surrogatepass"))
    positions[digest] += 1
    repeated = positions[digest]
    return position if repeated == 1 else f"{position} #{repeated}"


def _outcome(record: Record, position: str, limit: int, options: ReadOptions) -> Outcome:
    name = record.headers.get("warc-record-id")
    if record.cut is not None:
        return Reject(record.offset, name, "truncated", record.cut[:200])
    if record.kind not in _DOCUMENTS:
        return PassedOver(f"warc {record.kind}" if record.kind in _OTHERS else "warc other type")
    if record.body is None:
        return Reject(record.offset, name, "too_large", f"over {limit} bytes")
    response = Response(None, {}, record.body)
    if record.kind == "response":
        response = parse_response(record.body)
    if response.status not in (None, "200"):
        return PassedOver(f"http {_code(response.status)}")
    headers = record.headers if response.status is None else response.headers
    content_type = headers.get("content-type", "")
    mime = "text/plain" if record.kind == "conversion" else _mime(content_type)
    if mime and mime not in _TEXT:
        top = mime.partition("/")[0]
        return PassedOver(f"mime {top}" if top in _MIMES else "mime other")
    content = decoded(response, limit)
    if content is None:
        return Reject(record.offset, name, "too_large", f"over {limit} bytes")
    if not mime and not _looks_like_text(content):
        return PassedOver("mime unknown")
    if mime in _TEXT[:2] or (mime != "text/plain" and b"<" in content[:2048]):
        text = main_text(content, content_type)
    else:
        text = decode(content, content_type)[0]
    return _document(record, text.replace("\r\n", "\n"), position, options)


def _document(record: Record, text: str, position: str, options: ReadOptions) -> Outcome:
    name = record.headers.get("warc-record-id")
    uri = record.headers.get("warc-target-uri", "").strip("<>").replace(" ", "%20")
    if (reject := check_text(text, record.offset, name, options)) is not None:
        return reject
    values: dict[str, object] = {}
    for column, kind in options.types.items():
        key = options.columns.get(column, "WARC-Date" if column == "date" else "")
        values[column] = typed(record.headers.get(key.lower()), kind)
    return Document(position, record.offset, text, uri or None, name, values)


def _code(status: str | None) -> str:
    known = status is not None and len(status) == 3 and status.isascii() and status.isdigit()
    return str(status) if known else "other"


def _mime(content_type: str) -> str:
    """The type that a header names; empty where it names none, or only that there is HTTP."""
    mime = content_type.partition(";")[0].strip().lower()
    return "" if "/" not in mime or mime == "application/http" else mime


def _looks_like_text(content: bytes) -> bool:
    return b"\0" not in content[:1024] or content[:2] in (b"\xff\xfe", b"\xfe\xff")
