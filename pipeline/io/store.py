"""The one write path: objects that are created once under their final name and never changed."""

import contextlib
import io
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from schemas.errors import ConfigurationError, WinnowError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from obstore import ReadableFile
    from obstore.store import ObjectStore

TEMPORARY = "_tmp"
"""Folder of unfinished local files inside a store; nothing in it is ever read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object: its path relative to the store's root, and its size in bytes."""

    path: str
    size: int


class Store(Protocol):
    """Objects by relative path (`a/b/c`): list, read, create if absent, replace, delete."""

    root: str

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """The objects whose path begins with the folder `prefix`, in order of their paths."""
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

        A Path is a file made by `scratch`; it is gone afterwards.
        """
        ...

    def replace(self, path: str, content: bytes) -> None:
        """Put the object as a whole, whether or not it is there."""
        ...

    def delete(self, path: str) -> None:
        """Delete the object; nothing happens where there is none."""
        ...


class LocalStore:
    """A directory. A file is written aside, fsynced, and linked to its name."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)

    def _path(self, path: str) -> Path:
        return Path(self.root, path)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Walk the folder; unfinished files are not shown."""
        base = self._path(prefix)
        for folder, folders, files in os.walk(base):
            folders.sort()
            if Path(folder) == Path(self.root) and TEMPORARY in folders:
                folders.remove(TEMPORARY)
            for name in sorted(files):
                full = os.path.join(folder, name)
                yield Entry(os.path.relpath(full, self.root), os.path.getsize(full))

    def exists(self, path: str) -> bool:
        """Whether the file is there."""
        return self._path(path).exists()

    def read(self, path: str) -> bytes:
        """The file's bytes."""
        return self._path(path).read_bytes()

    def open(self, path: str) -> pa.NativeFile:
        """The file, not mapped to memory: pages of a map would count as the worker's memory."""
        return pa.OSFile(str(self._path(path)), "rb")

    def scratch(self) -> Path:
        """A fresh name on the same file system, so that a link can finish the write."""
        folder = Path(self.root, TEMPORARY)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / uuid.uuid4().hex

    def _staged(self, content: bytes | Path) -> Path:
        if isinstance(content, Path):
            with content.open("rb") as file:
                os.fsync(file.fileno())
            return content
        staged = self.scratch()
        with staged.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return staged

    def create(self, path: str, content: bytes | Path) -> bool:
        """Link the finished file to its name: atomic, and refused where the name is taken."""
        target = self._path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = self._staged(content)
        try:
            os.link(staged, target)
        except FileExistsError:
            return False
        finally:
            staged.unlink(missing_ok=True)
        _sync_folder(target.parent)
        return True

    def replace(self, path: str, content: bytes) -> None:
        """Rename the finished file over its name."""
        target = self._path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._staged(content).replace(target)
        _sync_folder(target.parent)

    def delete(self, path: str) -> None:
        """Unlink the file, and the folders that this leaves empty."""
        target = self._path(path)
        target.unlink(missing_ok=True)
        for folder in target.parents:
            if folder == Path(self.root):
                break
            try:
                folder.rmdir()
            except OSError:
                break


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class RemoteStore:
    """An object store by URL (s3://, gs://, az://, memory://): one conditional PUT a file."""

    def __init__(self, url: str) -> None:
        from obstore.store import from_url

        self.root = url.rstrip("/")
        self._store: ObjectStore = from_url(self.root)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """One listing, in pages."""
        import obstore

        entries = [
            Entry(meta["path"], meta["size"])
            for page in obstore.list(self._store, prefix.rstrip("/") or None)
            for meta in page
        ]
        yield from sorted(entries, key=lambda entry: entry.path)

    def exists(self, path: str) -> bool:
        """One HEAD."""
        import obstore

        try:
            obstore.head(self._store, path)
        except FileNotFoundError:
            return False
        return True

    def read(self, path: str) -> bytes:
        """One GET."""
        import obstore

        return bytes(obstore.get(self._store, path).bytes())

    def open(self, path: str) -> pa.NativeFile:
        """Ranged GETs behind a buffer."""
        import obstore

        return pa.PythonFile(_Reader(obstore.open_reader(self._store, path)), mode="r")

    def scratch(self) -> Path:
        """A fresh name in the machine's temporary folder."""
        import tempfile

        folder = Path(tempfile.gettempdir(), "winnow")
        folder.mkdir(parents=True, exist_ok=True)
        return folder / uuid.uuid4().hex

    def create(self, path: str, content: bytes | Path) -> bool:
        """A PUT that the server refuses where the name is taken."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        try:
            obstore.put(self._store, path, content, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        finally:
            if isinstance(content, Path):
                content.unlink(missing_ok=True)
        return True

    def replace(self, path: str, content: bytes) -> None:
        """A plain PUT."""
        import obstore

        obstore.put(self._store, path, content)

    def delete(self, path: str) -> None:
        """One DELETE."""
        import obstore

        try:
            obstore.delete(self._store, path)
        except FileNotFoundError:
            return


class _Reader(io.RawIOBase):
    """obstore's reader as the file object that Python and Arrow expect."""

    def __init__(self, reader: "ReadableFile") -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._reader.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._reader.seek(offset, whence)

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        data = bytes(self._reader.read(len(view)))
        view[: len(data)] = data
        return len(data)


def is_url(location: str) -> bool:
    """Whether a location is an object store's URL rather than a local path."""
    return "://" in location and not location.startswith("file://")


@lru_cache(maxsize=32)
def open_store(location: str) -> Store:
    """The store at a directory or URL; made where it is first written to."""
    if is_url(location):
        return RemoteStore(location)
    return LocalStore(location.removeprefix("file://"))


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
    if not isinstance(store, LocalStore):
        return None
    root = Path(store.root)
    return shutil.disk_usage(next(p for p in (root, *root.parents) if p.exists())).free
