"""Which files a source names: paths, globs, directories and URLs."""

import fnmatch
import glob
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from pipeline.io.store import is_url, open_store
from schemas.errors import ConfigurationError, WinnowError

_WILD = "*?["
_HIDDEN = re.compile("(^|/)[._]")


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of a source: `path` is relative to the source's root and enters the ids.

    `stamp` changes when the file changes (modification time in nanoseconds, or an etag).
    """

    source: str
    path: str
    location: str
    size: int
    stamp: str
    format: str


@dataclass(frozen=True)
class Unit:
    """A range of one input file; end -1 is the file's end."""

    file: InputFile
    start: int
    end: int
    share: tuple[int, int] = (0, 1)
    """Its number among the file's units, and how many there are."""


def open_input(location: str) -> BinaryIO:
    """The file as a seekable binary stream."""
    if is_url(location):
        folder, _, name = location.rpartition("/")
        return cast("BinaryIO", open_store(folder).open(name))
    return open(location, "rb", buffering=1 << 20)


def check_unchanged(file: InputFile) -> None:
    """Raise WinnowError where a local file is no longer what it was when it was found."""
    if is_url(file.location):
        return
    try:
        stat = os.stat(file.location)
    except OSError as error:
        raise WinnowError(
            f"{file.location} can't be read ({error.strerror}); "
            "restore it, or take it out of the source's path"
        ) from error
    if (stat.st_size, str(stat.st_mtime_ns)) != (file.size, file.stamp):
        raise WinnowError(
            f"{file.location} has changed while it was read; run again when it is complete"
        )


def _root(entry: str) -> str:
    """The directory part of an entry before its first wildcard."""
    head = entry
    for mark in _WILD:
        head = head.split(mark, 1)[0]
    return head.rpartition("/")[0]


def _local(entry: str) -> list[tuple[str, str, int, str]]:
    if os.path.isdir(entry):
        root = entry.rstrip("/")
        inside = (os.path.join(folder, n) for folder, _, names in os.walk(root) for n in names)
        paths = [path for path in inside if not _HIDDEN.search(os.path.relpath(path, root))]
    elif any(mark in entry for mark in _WILD) and not os.path.exists(entry):
        root, paths = _root(entry), glob.glob(entry, recursive=True)
    else:
        root, paths = os.path.dirname(entry), [entry] if os.path.lexists(entry) else []
    found = []
    for path in paths:
        # A link that leads nowhere is an error: a file that is not at hand is not left out.
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode):
            relative = os.path.relpath(path, root or ".")
            found.append((relative, path, status.st_size, str(status.st_mtime_ns)))
    return found


def _remote(entry: str) -> list[tuple[str, str, int, str]]:
    entry = entry.rstrip("/")
    folder, _, name = entry.rpartition("/")
    if any(mark in entry for mark in _WILD):
        root = _root(entry)
        pattern = re.compile(_translated(entry[len(root) + 1 :]))
        items = [i for i in open_store(root).list() if pattern.fullmatch(i.path)]
    elif entry.count("/") > 2 and (item := open_store(folder).find(name)) is not None:
        root, items = folder, [item]
    else:
        root = entry
        items = [i for i in open_store(root).list() if not _HIDDEN.search(i.path)]
    return [(i.path, f"{root}/{i.path}", i.size, i.stamp) for i in items]


def _translated(pattern: str) -> str:
    """A glob as a regular expression: `*` and `?` stay within a folder, `**/` is any folders."""
    tokens = re.findall(r"\*\*/|\*+|\?|\[!?\]?[^\]]*\]|.", pattern, re.DOTALL)
    known = {"**/": "(?:[^/.][^/]*/)*", "?": "[^/]"}
    return "".join(
        known.get(token) or ("[^/]*" if token[0] == "*" else fnmatch.translate(token)[4:-3])
        for token in tokens
    )


def find_inputs(source: str, entries: Sequence[str], format_name: str | None) -> list[InputFile]:
    """The files of a source in the order of their relative paths; a file named twice counts once.

    ConfigurationError where an entry names nothing, two files share a relative path, or
    no file's format can be told.
    """
    from pipeline.io.formats import FORMATS, UNKNOWN, guess

    found: dict[str, InputFile] = {}
    for entry in entries:
        try:
            files = _remote(entry) if is_url(entry) else _local(entry)
        except OSError as error:
            told = f"{error.filename or entry} can't be read ({error.strerror or error})"
            raise ConfigurationError(f"sources.{source}.path: {told}") from error
        if not files:
            raise ConfigurationError(f"sources.{source}.path: {entry} names no file")
        for path, location, size, stamp in files:
            known = found.get(path)
            if known and os.path.realpath(known.location) != os.path.realpath(location):
                raise ConfigurationError(
                    f"sources.{source}.path: {known.location} and {location} have the same path "
                    f"{path} below their roots; make them two sources"
                )
            kind = format_name or guess(path) or _sniffed(source, location)
            found[path] = InputFile(source, path, location, size, stamp, kind)
    if all(file.format == UNKNOWN for file in found.values()):
        raise ConfigurationError(
            f"sources.{source}.path: the format of {min(found)} can't be told from its name or "
            f"its content; say `format:` ({', '.join(FORMATS)})"
        )
    return [found[path] for path in sorted(found)]


def _sniffed(source: str, location: str) -> str:
    from pipeline.io.formats import UNKNOWN, sniff

    try:
        with open_input(location) as file:
            return sniff(file) or UNKNOWN
    except OSError as error:
        told = f"{location} can't be read ({error.strerror or error})"
        raise ConfigurationError(f"sources.{source}.path: {told}") from error
