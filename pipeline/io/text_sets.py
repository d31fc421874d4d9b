"""Sets of texts that a parameter names: files, directories and globs of any source format."""

import glob
import os
from collections.abc import Iterator, Sequence

from pipeline.io.formats import guess, load_format
from pipeline.io.records import Document, ReadOptions, Reject
from schemas.errors import WinnowError


def text_files(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Each file and its format, in order; ValueError where a path names none of a known format."""
    found = []
    for path in paths:
        if os.path.isdir(path):
            names = [os.path.join(folder, n) for folder, _, files in os.walk(path) for n in files]
        else:
            names = [path] if os.path.isfile(path) else glob.glob(path, recursive=True)
        kinds = [(name, guess(name)) for name in sorted(names) if os.path.isfile(name)]
        if not kinds:
            raise ValueError(f"{path} names no file")
        found += [(name, _known(name, kind)) for name, kind in kinds]
    return found


def _known(name: str, kind: str | None) -> str:
    if kind is None:
        raise ValueError(f"the format of {name} can't be told from its name")
    return kind


def read_texts(paths: Sequence[str], field: str) -> Iterator[str]:
    """The texts, which records keep under the key `field`; WinnowError at one that can't be read.

    A record without a text, or with a blank one, is passed over.
    """
    options = ReadOptions(columns={"text": field})
    for name, kind in text_files(paths):
        found = 0
        with open(name, "rb", buffering=1 << 20) as file:
            for outcome in load_format(kind).records(file, name, 0, -1, options):
                if isinstance(outcome, Document):
                    found += 1
                    yield outcome.text
                elif isinstance(outcome, Reject) and outcome.reason not in (
                    "empty",
                    "missing_text",
                ):
                    raise WinnowError(f"{name}: {outcome.reason} at {outcome.offset}")
        if not found:
            raise WinnowError(f"{name} has no text; its records have none under the key {field}")
