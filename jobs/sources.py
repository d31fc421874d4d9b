"""Checks of sources before any work: their reader, and how their documents are cut."""

from importlib.metadata import entry_points
from pathlib import Path

from jobs.parameters import Problem, exists, missing, resolve
from jobs.settings import nearest
from schemas.config import Segment, Source

EXTRACTORS = ("resiliparse",)
"""What can take the main text out of HTML."""


def check_source(source: Source, directory: Path) -> list[Problem]:
    """Problems of a source's reader; its files are looked at elsewhere."""
    problems: list[Problem] = []
    formats = source_formats()
    if source.format is not None and source.format not in formats:
        text = f"no format '{source.format}'{nearest(source.format, formats)}"
        problems.append((("format",), text))
    if source.extractor not in (None, *EXTRACTORS):
        text = f"no extractor '{source.extractor}'{nearest(str(source.extractor), EXTRACTORS)}"
        problems.append((("extractor",), text))
    if source.segment is not None:
        problems.extend(_check_segment(source.segment, directory))
        text = "ranges are of a whole document's text: not where a source has `segment`"
        problems += [
            (("columns", n), text) for n, kind in source.mapped.items() if kind == "ranges"
        ]
    return problems


def _check_segment(segment: Segment, directory: Path) -> list[Problem]:
    path = resolve(segment.tokenizer, directory)
    if not exists(path):
        return [(("segment", "tokenizer"), missing(segment.tokenizer, path))]
    from pipeline.io.tokenizer import load_tokenizer

    try:
        load_tokenizer(path)
    except Exception as error:
        return [(("segment", "tokenizer"), f"{path} can't be loaded: {error}")]
    return []


def source_formats() -> list[str]:
    """The names of all source formats that are installed."""
    from pipeline.io.formats import FORMATS

    return sorted({*FORMATS, *(point.name for point in entry_points(group="winnow.sources"))})
