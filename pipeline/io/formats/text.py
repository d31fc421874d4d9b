"""Plain text and HTML files: one document a file, or one a line."""

from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from pipeline.io.extraction import main_text
from pipeline.io.formats.compression import broken, decompressed
from pipeline.io.formats.lines import byte_ranges, lines
from pipeline.io.formats.mapping import check_text
from pipeline.io.records import Document, Outcome, ReadOptions, Reject
from pipeline.text.charset import decode


class Text:
    """Plain text: a document a file, or with `unit: line` a document a line."""

    name: ClassVar[str] = "text"

    def splits(self, file: BinaryIO, name: str, size: int, target: int) -> list[tuple[int, int]]:
        """Byte ranges of a plain file; they matter only where a document is a line."""
        return byte_ranges(file, size, target)

    def records(
        self,
        file: BinaryIO,
        name: str,
        start: int,
        end: int,
        options: ReadOptions,
        skip: int = 0,
    ) -> Iterator[Outcome]:
        """The file, or each line of the range that is not blank."""
        if options.unit == "line":
            yield from _lines(file, start, end, options, skip)
        elif start == 0 and not skip:
            content = _whole(file, options.max_document_bytes)
            if isinstance(content, Reject):
                yield content
            else:
                yield _document(decode(content, None)[0], options)


class Html:
    """HTML pages: the main text of each file."""

    name: ClassVar[str] = "html"

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
        """The page."""
        if skip:
            return
        content = _whole(file, 4 * options.max_document_bytes)
        if isinstance(content, Reject):
            yield content
        else:
            yield _document(main_text(content, None), options)


def _document(text: str, options: ReadOptions) -> Outcome:
    values: dict[str, object] = dict.fromkeys(options.types)
    return check_text(text, 0, None, options) or Document("0", 0, text, values=values)


def _whole(file: BinaryIO, limit: int) -> bytes | Reject:
    try:
        content = decompressed(file).read(limit + 1)
    except broken() as error:
        return Reject(0, None, "truncated", str(error)[:200])
    if len(content) > limit:
        return Reject(0, None, "too_large", f"over {limit} bytes")
    return content


def _lines(
    file: BinaryIO, start: int, end: int, options: ReadOptions, skip: int
) -> Iterator[Outcome]:
    seen = 0
    for line in lines(file, start, end, options.max_document_bytes):
        if line.content is not None and not line.content.strip():
            continue
        seen += 1
        if seen <= skip:
            continue
        if line.error is not None:
            yield Reject(line.offset, None, "truncated", line.error[:200])
        elif line.content is None:
            yield Reject(line.offset, None, "too_large", "the line is too long")
        else:
            text = line.content.decode("utf-8", "replace")
            values: dict[str, object] = dict.fromkeys(options.types)
            yield check_text(text, line.offset, None, options) or Document(
                str(line.offset), line.offset, text, values=values
            )
