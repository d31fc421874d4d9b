"""Records of WARC and ARC files, one after the other, in bounded memory."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.io.formats.compression import broken

LONGEST_LINE = 1 << 20
"""A header line may have this many bytes."""

_MOST_LINES = 10_000
_CHUNK = 1 << 20
_ARC_2 = re.compile(rb"(\S.*) \S+ (\d{8,18}) (\S*) \S+ \S+ \S+ \d+ \S+ (\S+)")
_ARC_1 = re.compile(rb"(\S.*) \S+ (\d{8,18}) (.*) (\S+)")


class BrokenArchiveError(EOFError):
    """The archive can't be read any further."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `headers` are by lower-case name, as in WARC for an ARC's too.

    `body` is None where it was not wanted, or is longer than wanted; `cut` says why the file
    ends within the record.
    """

    kind: str
    offset: int
    length: int
    headers: Mapping[str, str]
    is_arc: bool
    body: bytes | None
    cut: str | None


class Archive:
    """A decompressed web archive."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._offset = 0

    def records(self, kinds: frozenset[str], limit: int, skip: int) -> Iterator[Record]:
        """All records, with the bodies of these kinds after the first `skip` records.

        BrokenArchiveError where what follows a record is no record.
        """
        number = 0
        # Content-Length may be a little wrong: one line may be left over, as other readers have it.
        while (first := self._first_line(spare=1 if number else 0)) is not None:
            offset, line = first
            arc = None if line.startswith(b"WARC/") else _arc_headers(line)
            headers = self._warc_headers() if arc is None else arc
            told = headers.get("content-length", "")
            length = int(told) if told.isascii() and told.isdigit() and len(told) < 19 else 0
            if arc and not length and line.startswith(b"filedesc:"):
                # The version and the names of the columns belong to the record.
                self._line(), self._line()
            kind = headers.get("warc-type", "unknown").lower()
            wanted = kind in kinds and number >= skip and length <= limit
            body, cut = self._body(length, wanted)
            yield Record(kind, offset, length, headers, arc is not None, body, cut)
            if cut is not None:
                return
            number += 1

    def _line(self) -> bytes:
        line = self._stream.readline(LONGEST_LINE)
        self._offset += len(line)
        if len(line) == LONGEST_LINE:
            raise BrokenArchiveError("a header line is too long")
        return line

    def _first_line(self, spare: int) -> tuple[int, bytes] | None:
        """Where the next record begins, and its first line; None at the end of the file."""
        while True:
            offset = self._offset
            line = self._line()
            if not line:
                return None
            stripped = line.strip()
            if stripped.startswith(b"WARC/") or _is_arc(stripped):
                return offset, stripped
            if stripped and not spare:
                raise BrokenArchiveError(f"neither WARC nor ARC: {stripped[:40]!r}")
            spare = 0

    def _warc_headers(self) -> dict[str, str]:
        return parse_headers(self._header_lines())

    def _header_lines(self) -> Iterator[bytes]:
        for _ in range(_MOST_LINES):
            line = self._line()
            if not line.strip():
                return
            yield line
        raise BrokenArchiveError("too many header lines")

    def _body(self, length: int, wanted: bool) -> tuple[bytes | None, str | None]:
        pieces: list[bytes] = []
        left = length
        try:
            while left and (piece := self._stream.read(min(left, _CHUNK))):
                left -= len(piece)
                if wanted:
                    pieces.append(piece)
        except broken() as error:
            return None, str(error) or type(error).__name__
        self._offset += length - left
        if left:
            return None, f"the file ends {left} bytes before the record does"
        return (b"".join(pieces) if wanted else None), None


def parse_headers(lines: Iterator[bytes]) -> dict[str, str]:
    """Header fields by lower-case name; of a repeated field the first, folded lines joined."""
    headers: dict[str, str] = {}
    name = ""
    for line in lines:
        text = to_text(line.rstrip(b"\r\n"))
        if text[:1] in (" ", "\t"):
            if name in headers:
                headers[name] = f"{headers[name]} {text.strip()}".strip()
            continue
        before, colon, value = text.partition(":")
        name = before.strip().lower() if colon else ""
        if name and name not in headers:
            headers[name] = value.strip()
        else:
            name = ""
    return headers


def to_text(data: bytes) -> str:
    """A header's bytes as text: UTF-8, else byte by byte."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _is_arc(line: bytes) -> bool:
    return _ARC_1.fullmatch(line) is not None


def _arc_headers(line: bytes) -> dict[str, str]:
    found = _ARC_2.fullmatch(line) or _ARC_1.fullmatch(line)
    assert found is not None
    uri, moment, mime, length = (to_text(group) for group in found.groups())
    moment = moment.ljust(14, "0")
    day, time = (moment[:4], moment[4:6], moment[6:8]), (moment[8:10], moment[10:12], moment[12:14])
    return {
        "warc-type": "warcinfo" if uri.startswith("filedesc:") else "response",
        "warc-target-uri": uri,
        "warc-date": f"{'-'.join(day)}T{':'.join(time)}Z",
        "content-type": mime,
        "content-length": length,
    }
