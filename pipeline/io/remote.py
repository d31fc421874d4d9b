"""An object store by URL."""

import contextlib
import errno
import io
import os
import tempfile
import time
import urllib.parse
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.io.entries import Entry

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from obstore import ObjectMeta, ReadableFile
    from obstore.store import ObjectStore


LISTINGS = 4
"""So often a listing is tried."""


class RemoteStore:
    """An object store by URL (s3://, gs://, az://, memory://): one conditional PUT a file.

    No upload is in several parts, so that none can be left behind half done. Replies that say 5xx,
    connections that break and reads that stall are tried again by obstore, for three minutes.
    """

    def __init__(self, url: str) -> None:
        from obstore.store import from_url

        self.root = url.rstrip("/")
        scheme, _, place = self.root.partition("://")
        host, slash, path = place.partition("/")
        # The names of objects are taken as they are written: # and % mean themselves.
        with self._errors(""):
            url = f"{scheme}://{host}{slash}{urllib.parse.quote(path)}"
            self._store: ObjectStore = from_url(url)

    @contextlib.contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        """Errors of the store as OSError, in a line that names the object."""
        from obstore.exceptions import AlreadyExistsError, BaseError

        place = f"{self.root}/{path}".rstrip("/")
        try:
            yield
        except AlreadyExistsError:
            raise
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), place) from None
        except (BaseError, OSError, ValueError) as error:
            told = " ".join(str(error).partition("Debug source")[0].split())[:300]
            raise OSError(errno.EIO, told, place) from error

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """One listing, in pages; begun anew where a page breaks off, which obstore does not do."""
        for attempt in range(LISTINGS):
            try:
                entries = self._listed(prefix)
                break
            except OSError:
                if attempt == LISTINGS - 1:
                    raise
                time.sleep(0.1 * 4**attempt)
        yield from sorted(entries, key=lambda entry: entry.path)

    def _listed(self, prefix: str) -> Sequence[Entry]:
        import obstore

        with self._errors(prefix):
            return [
                _entry(meta)
                for page in obstore.list(self._store, prefix.rstrip("/") or None)
                for meta in page
            ]

    def find(self, path: str) -> Entry | None:
        """One HEAD."""
        import obstore

        try:
            with self._errors(path):
                return _entry(obstore.head(self._store, path))
        except FileNotFoundError:
            return None

    def exists(self, path: str) -> bool:
        """One HEAD."""
        return self.find(path) is not None

    def read(self, path: str) -> bytes:
        """One GET."""
        import obstore

        with self._errors(path):
            return bytes(obstore.get(self._store, path).bytes())

    def open(self, path: str) -> pa.NativeFile:
        """Ranged GETs behind a buffer."""
        import obstore

        with self._errors(path):
            return pa.PythonFile(_Reader(obstore.open_reader(self._store, path)), mode="r")

    def scratch(self) -> Path:
        """A fresh name in the machine's temporary folder."""
        folder = Path(tempfile.gettempdir(), "winnow")
        folder.mkdir(parents=True, exist_ok=True)
        return folder / uuid.uuid4().hex

    def create(self, path: str, content: bytes | Path) -> bool:
        """A PUT that the server refuses where the name is taken.

        A PUT whose reply was lost is repeated by obstore, and then refused: what lies there is
        this very content. A file, whose bytes anybody would have made, is not compared.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        try:
            with self._errors(path):
                obstore.put(self._store, path, content, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return isinstance(content, bytes) and self.read(path) == content
        finally:
            if isinstance(content, Path):
                content.unlink(missing_ok=True)
        return True

    def replace(self, path: str, content: bytes) -> None:
        """A plain PUT."""
        import obstore

        with self._errors(path):
            obstore.put(self._store, path, content, use_multipart=False)

    def delete(self, path: str) -> None:
        """One DELETE."""
        import obstore

        with contextlib.suppress(FileNotFoundError), self._errors(path):
            obstore.delete(self._store, path)


def _entry(meta: "ObjectMeta") -> Entry:
    stamp = meta["e_tag"] or meta["last_modified"].isoformat()
    return Entry(meta["path"], meta["size"], stamp)


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
