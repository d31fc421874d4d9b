"""A directory as a store."""

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from pipeline.io.entries import TEMPORARY, Entry


class LocalStore:
    """A directory. A file is written aside, fsynced, and linked to its name."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)

    def _path(self, path: str) -> Path:
        return Path(self.root, path)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Walk the folder; unfinished files are not shown."""
        yield from self._walk(prefix.strip("/"))

    def _walk(self, folder: str) -> Iterator[Entry]:
        try:
            with os.scandir(self._path(folder)) as found:
                # As if by whole paths: `a.b` goes before `a/b`, for `.` goes before `/`.
                items = sorted((item.name + "/" * item.is_dir(), item) for item in found)
        except (FileNotFoundError, NotADirectoryError):
            return
        for name, item in items:
            path = f"{folder}/{item.name}" if folder else item.name
            if path == TEMPORARY:
                continue
            if name.endswith("/"):
                yield from self._walk(path)
            elif (entry := self.find(path)) is not None:
                yield entry

    def find(self, path: str) -> Entry | None:
        """The file; a link that leads nowhere is none."""
        try:
            status = self._path(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        return Entry(path, status.st_size, str(status.st_mtime_ns))

    def exists(self, path: str) -> bool:
        """Whether the file is there."""
        return self.find(path) is not None

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

    @contextlib.contextmanager
    def _staged(self, path: str, content: bytes | Path) -> Iterator[Path]:
        """The content on the disk, beside its place; gone afterwards. Errors name the object."""
        staged = None
        try:
            staged = content if isinstance(content, Path) else self.scratch()
            if isinstance(content, bytes):
                staged.write_bytes(content)
            with staged.open("rb") as file:
                os.fsync(file.fileno())
            self._path(path).parent.mkdir(parents=True, exist_ok=True)
            yield staged
            _sync_folder(self._path(path).parent)
        except OSError as error:
            told = error.strerror or str(error)
            raise OSError(error.errno, told, f"{self.root}/{path}") from error
        finally:
            if staged is not None:
                staged.unlink(missing_ok=True)

    def create(self, path: str, content: bytes | Path) -> bool:
        """Link the finished file to its name: atomic, and refused where the name is taken."""
        with self._staged(path, content) as staged:
            try:
                os.link(staged, self._path(path))
            except FileExistsError:
                return False
        return True

    def replace(self, path: str, content: bytes) -> None:
        """Rename the finished file over its name."""
        with self._staged(path, content) as staged:
            staged.replace(self._path(path))

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
