"""The source formats, each loaded when it is first needed."""

import importlib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import BinaryIO, ClassVar, cast

from pipeline.io.records import ForeignFormat, Outcome, ReadOptions, Reject, SourceFormat
from schemas.errors import ConfigurationError

FORMATS = MappingProxyType(
    {
        "warc": "pipeline.io.formats.warc:Warc",
        "wet": "pipeline.io.formats.warc:Wet",
        "jsonl": "pipeline.io.formats.jsonl:Jsonl",
        "parquet": "pipeline.io.formats.parquet:Parquet",
        "text": "pipeline.io.formats.text:Text",
        "html": "pipeline.io.formats.text:Html",
    }
)
"""Where the class of each format is."""

UNKNOWN = "unknown"
"""The format of a file whose name and content tell none."""

_MARKS = {
    b"warc/": "warc",
    b"filedesc:": "warc",
    b"par1": "parquet",
    b"{": "jsonl",
    b"<!doctype html": "html",
    b"<html": "html",
}
_COMPRESSED = ("", ".gz", ".zst", ".bz2")
_STEMS = {
    "warc": (".warc", ".arc", ".warc.txt"),
    "wet": (".wet",),
    "jsonl": (".jsonl", ".ndjson"),
    "text": (".txt", ".text", ".md"),
    "html": (".html", ".htm", ".xhtml"),
}
SUFFIXES: dict[str, str] = {
    ".warc.wet.gz": "wet",
    ".warc.wet": "wet",
    ".parquet": "parquet",
    **{s + c: name for name, stems in _STEMS.items() for s in stems for c in _COMPRESSED},
}
"""Format by the end of a file's name; the longest that fits counts."""


@cache
def load_format(name: str) -> SourceFormat:
    """The reader of a format; ConfigurationError where there is none of this name."""
    if name == UNKNOWN:
        return Unknown()
    if name in FORMATS:
        module, _, attribute = FORMATS[name].partition(":")
        return cast("SourceFormat", getattr(importlib.import_module(module), attribute)())
    for entry in entry_points(group="winnow.sources"):
        if entry.name == name:
            return cast("SourceFormat", entry.load()())
    known = ", ".join([*FORMATS, *(e.name for e in entry_points(group="winnow.sources"))])
    raise ConfigurationError(f"no source format '{name}'; there are {known}")


def guess(name: str) -> str | None:
    """The format of a file by its name; None where the name says nothing."""
    lower = name.lower()
    fits = [suffix for suffix in SUFFIXES if lower.endswith(suffix)]
    if fits:
        return SUFFIXES[max(fits, key=len)]
    for entry in entry_points(group="winnow.sources"):
        if lower.endswith(tuple(cast("ForeignFormat", entry.load()).suffixes)):
            return entry.name
    return None


def sniff(file: BinaryIO) -> str | None:
    """The format of a file by how its content, decompressed, begins; None where that is unknown.

    Plain text is never told by its content: what is neither an archive nor a table may be
    anything.
    """
    from pipeline.io.formats.compression import broken, decompressed

    try:
        head = decompressed(file).read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    except broken():
        return None
    return next((kind for mark, kind in _MARKS.items() if head.startswith(mark)), None)


class Unknown:
    """A file of no format that is known: one reject."""

    name: ClassVar[str] = UNKNOWN

    def splits(self, file: BinaryIO, name: str, size: int, target: int) -> list[tuple[int, int]]:
        """The whole file."""
        return [(0, -1)]

    def records(
        self, file: BinaryIO, name: str, start: int, end: int, options: ReadOptions, skip: int = 0
    ) -> Iterator[Outcome]:
        """One reject."""
        if not skip:
            told = (
                f"neither name nor content tells the format; say `format:` ({', '.join(FORMATS)})"
            )
            yield Reject(-1, None, "unknown_format", told)
