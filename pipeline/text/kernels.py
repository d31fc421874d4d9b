"""Compiled kernels: how they are made, and where their machine code is kept."""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import FunctionType
from typing import TypeVar

import numba
import numpy as np

Int = int | np.int64
F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """The function compiled when it is first called, once for all processes of a machine."""
    assert isinstance(function, FunctionType)
    _stand_in_cache(function)
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder())
    try:
        compiled: F = numba.njit(cache=True, nogil=True)(function)
    finally:
        numba.config.CACHE_DIR = before
    return compiled


def _stand_in_cache(function: FunctionType) -> None:
    """Let a function stand in a copy of its source, beside the machine code.

    numba keeps machine code by the path of the source, and by its time. The same source lies
    elsewhere in every environment, archive and executor; the copy is made once, for all.
    """
    package, _, module = function.__module__.rpartition(".")
    path = cache_folder() / "sources" / package / f"{module}.py"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write((files(package) / path.name).read_bytes())
        # The first one stays: with another one's time, what is compiled already would not count.
        try:
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)
            os.unlink(aside)
        except OSError:
            # The file system has no hard links.
            os.replace(aside, path)
    function.__code__ = function.__code__.replace(co_filename=str(path))


@lru_cache(1)
def cache_folder() -> Path:
    """Where this user can write: NUMBA_CACHE_DIR, the user's cache or the temporary folder.

    The name carries a digest of the sources, because numba looks only at the time of the file that
    a kernel stands in and not at the kernels and constants that it is made of; and numba's version
    with it, as two that share a home would write over each other's code.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for file in sorted(files("pipeline.text").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".py"):
            digest.update(file.read_bytes())
    name = f"winnow-kernels-{digest.hexdigest()[:16]}"
    # Left as it is where nobody knows the user's home, as of the users that clusters make up.
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    mine = f"{tempfile.gettempdir()}/winnow-{os.getuid()}"
    named = os.environ.get("NUMBA_CACHE_DIR")
    for base in filter(os.path.isabs, (os.path.abspath(named) if named else "", cache, mine)):
        folder = Path(base, name)
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_ours(folder):
                return folder
    return Path(tempfile.mkdtemp(prefix=name))


def _is_ours(folder: Path) -> bool:
    """Code is loaded from there: nobody else may have put any into it."""
    found = folder.stat()
    tempfile.TemporaryFile(dir=folder).close()
    return found.st_uid == os.getuid() and not found.st_mode & 0o022


_WARM: set[str] = set()


def warm(name: str, run: Callable[[], object]) -> None:
    """Run it once in a process, and by one process at a time: the others find what it compiled."""
    if name not in _WARM:
        with _alone(cache_folder() / "lock"):
            run()
        _WARM.add(name)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
