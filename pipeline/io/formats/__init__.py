"""The source formats, each loaded when it is first needed."""

import importlib
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import cast

from pipeline.io.records import SourceFormat
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

_COMPRESSED = ("", ".gz", ".zst", ".bz2")
_STEMS = {
    "warc": (".warc", ".arc"),
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
    if name in FORMATS:
        module, _, attribute = FORMATS[name].partition(":")
        return cast("SourceFormat", getattr(importlib.import_module(module), attribute)())
    for entry in entry_points(group="winnow.sources"):
        if entry.name == name:
            return cast("SourceFormat", entry.load()())
    known = ", ".join([*FORMATS, *(e.name for e in entry_points(group="winnow.sources"))])
    raise ConfigurationError(f"no source format '{name}'; there are {known}")


def guess(name: str) -> str:
    """The format of a file by its name; ConfigurationError where the name says nothing."""
    lower = name.lower()
    fits = [suffix for suffix in SUFFIXES if lower.endswith(suffix)]
    if fits:
        return SUFFIXES[max(fits, key=len)]
    for entry in entry_points(group="winnow.sources"):
        if lower.endswith(tuple(cast("SourceFormat", entry.load()).suffixes)):
            return entry.name
    raise ConfigurationError(
        f"{name}: the format can't be told from the name; say `format:` "
        f"({', '.join(FORMATS)}) or leave the file out"
    )
