"""What a reader makes of a raw record: a document, a reject, or something passed over."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import BinaryIO, ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a text is cut into segments; what follows the last of them is dropped.

    `ends` are in code points: the first segment begins at 0, each other where one ends.
    """

    ends: tuple[int, ...]
    dropped_tokens: int


@dataclass(frozen=True, slots=True)
class Document:
    """A record that holds text; one with a cut becomes its segments, one without a document.

    `position` identifies the record in its file: byte offset in the decompressed file, row
    number, or a web archive's record id and URI (with ` #2` at a repetition).
    """

    position: str
    offset: int
    text: str
    url: str | None = None
    source_id: str | None = None
    values: dict[str, object] = field(default_factory=dict)
    metadata: str | None = None
    cut: Cut | None = None


REASONS = MappingProxyType(
    {
        "unknown_format": "the file is of no format that is known",
        "unreadable": "the file can't be read from here on; what came before is kept",
        "truncated": "the record is cut off, or its compressed stream is damaged",
        "invalid_json": "the line is no JSON",
        "not_an_object": "the line is JSON, but no object",
        "missing_text": "the record has no value where its text should be",
        "text_not_string": "the text is a number, a list or another value that is no string",
        "invalid_utf8": "the text is no UTF-8",
        "invalid_unicode": "a value has lone surrogates",
        "invalid_value": "a value lies outside what can be represented",
        "too_nested": "a value is nested too deeply",
        "too_large": "the record is longer than max_document_bytes allows",
        "empty": "the text has nothing but white space",
        "crashed": "the reader did not survive the record",
        "timeout": "the reader worked on the record for too long",
    }
)
"""Why a record is turned away; a source format from elsewhere may have reasons of its own."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that should have held a document; `reason` is one of REASONS."""

    offset: int
    source_id: str | None
    reason: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A record that holds no document by its nature; `kind` is from a small vocabulary."""

    kind: str


Outcome = Document | Reject | PassedOver


@dataclass(frozen=True)
class Segmentation:
    """How documents are cut into segments of so many tokens."""

    tokenizer: str
    """`shipped`, a file or a directory."""
    digest: str
    """Of the tokenizer's file: where it lies says nothing."""
    tokens: int = 1024
    remainder: str = "drop"
    """What becomes of the tokens after the last whole segment: drop or keep."""


@dataclass(frozen=True)
class ReadOptions:
    """How a source's records are read.

    `columns` maps columns to the keys that hold them (dotted paths reach into objects);
    `types` gives the type of each mapped column (schemas.tables.MAPPED_TYPES).
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    max_document_bytes: int = 20_000_000
    unit: str = "file"
    extractor: str = "resiliparse"
    record_seconds: float = 60.0
    """A reader that works on one record for longer hangs."""
    segment: Segmentation | None = None


class SourceFormat(Protocol):
    """Reads one kind of file."""

    name: ClassVar[str]

    def splits(self, file: BinaryIO, name: str, size: int, target: int) -> list[tuple[int, int]]:
        """Ranges that can be read apart, of about `target` bytes; [(0, -1)] is the whole file."""
        ...

    def records(
        self,
        file: BinaryIO,
        name: str,
        start: int,
        end: int,
        options: ReadOptions,
        skip: int = 0,
    ) -> Iterator[Outcome]:
        """The outcomes of a range in order, without the first `skip`; never raises for bad data."""
        ...


class ForeignFormat(SourceFormat, Protocol):
    """A format that a third party adds through the entry points winnow.sources."""

    suffixes: ClassVar[tuple[str, ...]]
    """Files whose names end so are of this format, unless one of Winnow's own claims them."""
