"""What every store has: objects, and a folder of what is not finished."""

from dataclasses import dataclass

TEMPORARY = "_tmp"
"""Folder of unfinished local files inside a store; nothing in it is ever read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object: its path relative to the store's root, and its size in bytes.

    `stamp` changes when the object does (modification time in nanoseconds, or an etag).
    """

    path: str
    size: int
    stamp: str
