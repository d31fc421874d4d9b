"""Lines of a range of a file, in bounded memory."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.io.formats.compression import broken, decompressed, is_plain

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end; `content` is None where it is longer than allowed.

    `error` says that the stream broke here: nothing follows.
    """

    offset: int
    content: bytes | None
    error: str | None = None


def byte_ranges(file: BinaryIO, size: int, target: int) -> list[tuple[int, int]]:
    """Ranges of a plain file, cut at multiples of `target`; the whole of a compressed one."""
    if size <= target or not is_plain(file):
        return [(0, -1)]
    return [(start, min(start + target, size)) for start in range(0, size, target)]


def lines(file: BinaryIO, start: int, end: int, limit: int) -> Iterator[Line]:
    """The lines that begin in [start, end), with their offsets in the decompressed file."""
    offset = start
    try:
        if end < 0:
            stream = decompressed(file)
        else:
            stream = file
            stream.seek(max(0, start - 1))
        if end >= 0 and start > 0:
            # A line belongs to the range in which it begins: what is left of one goes by.
            offset = start - 1 + _pass_line(stream, end - start + 1)
        while end < 0 or offset < end:
            content, length = _read_line(stream, limit)
            if not length:
                return
            if offset == 0 and content is not None:
                content = content.removeprefix(codecs.BOM_UTF8)
            yield Line(offset, content)
            offset += length
    except broken() as error:
        yield Line(offset, None, str(error) or type(error).__name__)


def _pass_line(stream: BinaryIO, most: int) -> int:
    """The length of a line with its end; of one that goes on after `most` bytes, more than that."""
    length = 0
    while length <= most and (chunk := stream.readline(_CHUNK)):
        length += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return length


def _read_line(stream: BinaryIO, limit: int) -> tuple[bytes | None, int]:
    """A line and its length with its end; None where it is longer than `limit`."""
    pieces: list[bytes] = []
    length = 0
    while chunk := stream.readline(_CHUNK):
        length += len(chunk)
        if length <= limit + 2:
            pieces.append(chunk)
        elif pieces:
            pieces = []
        if chunk.endswith(b"\n"):
            break
    if length > limit + 2:
        return None, length
    return b"".join(pieces).removesuffix(b"\n").removesuffix(b"\r"), length
