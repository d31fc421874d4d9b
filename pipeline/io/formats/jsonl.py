"""JSON lines, plain or compressed."""

from collections.abc import Iterator
from typing import BinaryIO, ClassVar

import orjson

from pipeline.io.formats.lines import Line, byte_ranges, lines
from pipeline.io.formats.mapping import to_document
from pipeline.io.records import Outcome, ReadOptions, Reject


class Jsonl:
    """One JSON object a line; blank lines are no records."""

    name: ClassVar[str] = "jsonl"

    def splits(self, file: BinaryIO, name: str, size: int, target: int) -> list[tuple[int, int]]:
        """Byte ranges of a plain file; a compressed one is read whole."""
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
        """A document or a reject for each line that is not blank."""
        # An escaped character takes six bytes at the most; the rest is room for other keys.
        limit = 6 * options.max_document_bytes + (1 << 20)
        seen = 0
        for line in lines(file, start, end, limit):
            if line.content is not None and not line.content.strip():
                continue
            seen += 1
            if seen > skip:
                yield _parsed(line, options)


def _parsed(line: Line, options: ReadOptions) -> Outcome:
    if line.error is not None:
        return Reject(line.offset, None, "truncated", line.error[:200])
    if line.content is None:
        return Reject(line.offset, None, "too_large", "the line is too long")
    try:
        record = orjson.loads(line.content)
    except orjson.JSONDecodeError as error:
        try:
            line.content.decode()
        except UnicodeDecodeError:
            return Reject(line.offset, None, "invalid_utf8", None)
        reason = "invalid_unicode" if "surrogate" in str(error) else "invalid_json"
        return Reject(line.offset, None, reason, error.msg[:200])
    if not isinstance(record, dict):
        return Reject(line.offset, None, "not_an_object", type(record).__name__)
    return to_document(record, str(line.offset), line.offset, options)
