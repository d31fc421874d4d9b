"""Web archives: WARC, ARC and WET, compressed by the record, as a whole, or not at all."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from pipeline.io.extraction import main_text
from pipeline.io.formats.compression import broken, decompressed
from pipeline.io.formats.mapping import check_text, typed
from pipeline.io.records import Document, Outcome, PassedOver, ReadOptions, Reject
from pipeline.text.charset import decode

if TYPE_CHECKING:
    from warcio.recordloader import ArcWarcRecord

_TEXT = ("text/html", "application/xhtml+xml", "text/plain")
_TYPES = ("warcinfo", "request", "metadata", "revisit", "continuation", "response", "resource")
_BEGINNINGS = (b"WARC/", b"filedesc:", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh")


class Warc:
    """Pages of HTTP responses and resources; other record types are passed over."""

    name: ClassVar[str] = "warc"
    suffixes: ClassVar[tuple[str, ...]] = (".warc", ".warc.gz", ".arc", ".arc.gz")

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
        from warcio.exceptions import ArchiveLoadFailed

        seen = 0
        positions: Counter[str] = Counter()
        try:
            if (reject := _unknown(file)) is not None:
                seen += 1
                if seen > skip:
                    yield reject
                return
            arc = _is_arc(file)
            for record, offset in _archive(file):
                record_id = None if arc else record.rec_headers.get_header("WARC-Record-ID")
                position = _position(record_id, record, offset, positions)
                seen += 1
                if seen > skip:
                    yield _outcome(record, record_id, position, offset, options)
        except (ArchiveLoadFailed, *broken(), ValueError, AttributeError, KeyError) as error:
            seen += 1
            if seen > skip:
                detail = str(error).strip() or type(error).__name__
                yield Reject(-1, None, "unreadable", " ".join(detail.split())[:200])


class Wet(Warc):
    """WET: the text that Common Crawl extracted."""

    name: ClassVar[str] = "wet"
    suffixes: ClassVar[tuple[str, ...]] = (".warc.wet", ".warc.wet.gz")


def _unknown(file: BinaryIO) -> Reject | None:
    file.seek(0)
    head = file.read(16)
    file.seek(0)
    if not head:
        return Reject(0, None, "unknown_format", "the file is empty")
    skippable = head[1:4] == b"\x2a\x4d\x18"
    bare = head.startswith((b"http://", b"https://", b"dns:"))
    if head.startswith(_BEGINNINGS) or skippable or bare or head.lstrip().startswith(b"WARC/"):
        return None
    return Reject(0, None, "unknown_format", f"begins with {head[:8].hex()}: no WARC, no ARC")


def _archive(file: BinaryIO) -> Iterator[tuple["ArcWarcRecord", int]]:
    """Records and their offsets: in the file if records are compressed apart, else in the text."""
    from warcio.archiveiterator import ArchiveIterator

    stream = file
    if file.read(2) != b"\x1f\x8b":
        stream = decompressed(file)
    else:
        file.seek(0)
    iterator = ArchiveIterator(stream, arc2warc=True)
    try:
        for record in iterator:
            # get_record_offset() would read the record away
            yield record, int(iterator.offset)
    finally:
        iterator.close()


def _position(
    name: str | None, record: "ArcWarcRecord", offset: int, positions: Counter[str]
) -> str:
    uri = record.rec_headers.get_header("WARC-Target-URI") or ""
    position = f"{name or offset} {uri}"
    positions[position] += 1
    repeated = positions[position]
    return position if repeated == 1 else f"{position} #{repeated}"


def _is_arc(file: BinaryIO) -> bool:
    """Whether records lack ids of their own: warcio gives those of an ARC a random one."""
    try:
        head = decompressed(file).read(64).lstrip()
    except broken():
        head = b""
    file.seek(0)
    return not head.startswith(b"WARC/")


def _outcome(
    record: "ArcWarcRecord", name: str | None, position: str, offset: int, options: ReadOptions
) -> Outcome:
    kind = str(record.rec_type or "unknown").lower()
    if kind not in ("response", "resource", "conversion", "arc_record"):
        return PassedOver(f"warc {kind}" if kind in _TYPES else "warc other type")
    status = record.http_headers.get_statuscode() if record.http_headers else None
    if kind == "response" and status is not None and status != "200":
        return PassedOver(
            f"http {status}" if status.isdigit() and len(status) == 3 else "http other"
        )
    headers = record.http_headers or record.rec_headers
    content_type = headers.get_header("Content-Type") or ""
    mime = content_type.partition(";")[0].strip().lower()
    if kind == "conversion":
        mime = "text/plain"
    if mime and mime not in _TEXT and "/" in mime and not mime.startswith("application/http"):
        return PassedOver(f"mime {mime.partition('/')[0]}"[:40] if mime.isascii() else "mime other")
    try:
        content = _content(record, 4 * options.max_document_bytes)
    except Exception as error:
        if not isinstance(error, (*broken(), ValueError, AttributeError)):
            raise
        return Reject(offset, name, "truncated", (str(error) or type(error).__name__)[:200])
    if content is None:
        return Reject(offset, name, "too_large", f"over {4 * options.max_document_bytes} bytes")
    if not mime and not _looks_like_text(content):
        return PassedOver("mime unknown")
    is_html = mime in _TEXT[:2] or (mime != "text/plain" and b"<" in content[:2048])
    text = main_text(content, content_type) if is_html else decode(content, content_type)[0]
    return _document(record, text.replace("\r\n", "\n"), position, offset, name, options)


def _document(
    record: "ArcWarcRecord",
    text: str,
    position: str,
    offset: int,
    name: str | None,
    options: ReadOptions,
) -> Outcome:
    headers = record.rec_headers
    uri = headers.get_header("WARC-Target-URI")
    url = uri.strip("<>").encode("utf-8", "replace").decode() if uri else None
    if (reject := check_text(text, offset, name, options)) is not None:
        return reject
    values: dict[str, object] = {}
    for column, kind in options.types.items():
        key = options.columns.get(column, "WARC-Date" if column == "date" else "")
        values[column] = typed(headers.get_header(key), kind) if key else None
    return Document(position, offset, text, url, name, values)


def _content(record: "ArcWarcRecord", limit: int) -> bytes | None:
    """The decoded payload, or None where it is longer than `limit`."""
    stream = record.content_stream()
    pieces: list[bytes] = []
    length = 0
    while chunk := stream.read(1 << 16):
        length += len(chunk)
        if length > limit:
            return None
        pieces.append(chunk)
    content = b"".join(pieces)
    coding = record.http_headers.get_header("Content-Encoding") if record.http_headers else None
    if coding and coding.strip().lower() == "zstd":
        import zstandard

        content = zstandard.ZstdDecompressor().decompress(content, max_output_size=limit)
    return content


def _looks_like_text(content: bytes) -> bool:
    return b"\0" not in content[:1024] or content[:2] in (b"\xff\xfe", b"\xfe\xff")
