"""The one write path: objects that are created once under their final name and never changed."""

import contextlib
import shutil
import socket
import uuid
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from pipeline.io.entries import TEMPORARY, Entry
from pipeline.io.local import LocalStore
from pipeline.io.remote import RemoteStore
from schemas.errors import ConfigurationError, WinnowError

SHARE = (
    "the workspace has to be on a disk that all machines mount at the same path, writable for "
    "the executors' user, or in an object store whose credentials they have"
)


class Store(Protocol):
    """Objects by relative path (`a/b/c`): list, read, create if absent, replace, delete."""

    root: str

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """The objects whose path begins with the folder `prefix`, in order of their paths."""
        ...

    def find(self, path: str) -> Entry | None:
        """The object, or None where there is none."""
        ...

    def exists(self, path: str) -> bool:
        """Whether the object is there."""
        ...

    def read(self, path: str) -> bytes:
        """The whole object; FileNotFoundError where there is none."""
        ...

    def open(self, path: str) -> pa.NativeFile:
        """The object as a seekable file."""
        ...

    def scratch(self) -> Path:
        """A fresh local path to write a file to, before it is created in the store."""
        ...

    def create(self, path: str, content: bytes | Path) -> bool:
        """Create the object if it is absent; False where it is there already.

        An object store may say True where these very bytes lie there: it can't know who put them.
        A Path is a file made by `scratch`; it is gone afterwards.
        """
        ...

    def replace(self, path: str, content: bytes) -> None:
        """Put the object as a whole, whether or not it is there."""
        ...

    def delete(self, path: str) -> None:
        """Delete the object; nothing happens where there is none."""
        ...


def is_url(location: str) -> bool:
    """Whether a location is an object store's URL rather than a local path."""
    return "://" in location and not location.startswith("file://")


@lru_cache(maxsize=32)
def open_store(location: str) -> Store:
    """The store at a directory or URL; made where it is first written to."""
    if is_url(location):
        return RemoteStore(location)
    return LocalStore(location.removeprefix("file://"))


def check_shared(store: Store) -> None:
    """Raise on a machine that does not see the workspace, as an executor that came late may not."""
    if not store.exists("workspace.json"):
        host = socket.gethostname()
        raise WinnowError(f"executor on {host}: it does not see {store.root}; {SHARE}")


def probe(store: Store) -> None:
    """Show, before any work, that the store can be written and refuses a second creation."""
    path = f"{TEMPORARY}/probe-{uuid.uuid4().hex}"
    try:
        made, again = store.create(path, b"1"), store.create(path, b"2")
    except OSError as error:
        raise ConfigurationError(
            f"workspace: {store.root} can't be written ({error.strerror or error}); "
            "name a directory that you may write to"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            store.delete(path)
    if not made or again:
        raise WinnowError(f"{store.root} lets an object be created twice; it can't be used")


def free_bytes(store: Store) -> int | None:
    """Bytes left on a local store's disk, or None for an object store."""
    if is_url(store.root):
        return None
    root = Path(store.root)
    return shutil.disk_usage(next(p for p in (root, *root.parents) if p.exists())).free
