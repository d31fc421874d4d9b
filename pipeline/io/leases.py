"""Leases: who is at work on what, so that work is seldom done twice; correctness needs none.

A lease on an object is the newest of a sequence of small objects beside it, `<path>.lease.<n>`,
each created if absent. Its owner creates the next one now and then, and so may anybody who has seen
no new one for a while by a clock of their own: clocks of different machines are never compared.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pipeline.io.faults import fault
from pipeline.io.store import Store

MARK = ".lease."
"""Stands between the name of an object and the number of a lease on it."""

SECONDS = 60.0
"""A lease that is not renewed for so long is anybody's; WINNOW_LEASE_SECONDS says otherwise."""


def lease_seconds() -> float:
    """How long a lease holds without being renewed."""
    return float(os.environ.get("WINNOW_LEASE_SECONDS", SECONDS))


class Lease:
    """A lease that is held: renewed in a thread until the block ends, then given back."""

    def __init__(self, store: Store, path: str, number: int, content: bytes, every: float) -> None:
        self._store, self._path, self._number = store, path, number
        self._content, self._every = content, every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back, as far as it is still there."""
        self._ended.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._store.delete(_name(self._path, self._number))

    def _renew(self) -> None:
        """A lease that can't be renewed, or has been taken over, costs at most double work."""
        while not self._ended.wait(self._every):
            fault("lease.renew.before")
            try:
                if not self._store.create(_name(self._path, self._number + 1), self._content):
                    return
                self._store.delete(_name(self._path, self._number))
            except OSError:
                return
            self._number += 1
            fault("lease.renew.after")


class Leases:
    """What this process knows of leases in a store, and those that it takes."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._seconds = lease_seconds()
        self._content = json.dumps({**_here(), "owner": uuid.uuid4().hex}).encode()
        self._seen: dict[str, _Seen] = {}

    @property
    def patience(self) -> float:
        """Seconds after which it is worth looking again."""
        return min(self._seconds / 4, 5.0)

    def take(self, path: str, found: Mapping[str, tuple[int, str]]) -> Lease | None:
        """A lease on an object, or None while somebody else holds it.

        `found` is what `newest` says of the object's folder.
        """
        number, stamp = found.get(path, (0, ""))
        if number and self._held(path, number, stamp):
            return None
        fault("lease.take.before")
        if not self._store.create(_name(path, number + 1), self._content):
            return None
        fault("lease.take.after")
        if number:
            self._store.delete(_name(path, number))
        self._seen.pop(path, None)
        return Lease(self._store, path, number + 1, self._content, self._seconds / 4)

    def _held(self, path: str, number: int, stamp: str) -> bool:
        known = self._seen.get(path)
        if known is None or (known.number, known.stamp) != (number, stamp):
            known = _Seen(number, stamp, self._clock(), self._owner(_name(path, number)))
            self._seen[path] = known
        return not _gone(known.owner) and self._clock() - known.since < self._seconds

    def _owner(self, name: str) -> Mapping[str, object]:
        try:
            found = json.loads(self._store.read(name))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class _Seen:
    """A lease of somebody's, and since when this process has known it."""

    number: int
    stamp: str
    since: float
    owner: Mapping[str, object]


def newest(names: Iterator[tuple[str, str]]) -> dict[str, tuple[int, str]]:
    """The newest lease on each object that has one, of paths and stamps: its number and stamp."""
    found: dict[str, tuple[int, str]] = {}
    for name, stamp in names:
        path, mark, number = name.rpartition(MARK)
        if mark and number.isdecimal() and int(number) > found.get(path, (0, ""))[0]:
            found[path] = (int(number), stamp)
    return found


def _name(path: str, number: int) -> str:
    return f"{path}{MARK}{number}"


@lru_cache(maxsize=1)
def _space() -> str:
    """Names where a process's number means something: the machine's boot and its namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(process: int) -> str:
    """When a process of this machine was started; empty where there is none, or a dead one."""
    try:
        told = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if told[0] in "ZX" else told[19]


def _here() -> dict[str, str | int]:
    process = os.getpid()
    return {
        "host": socket.gethostname(),
        "space": _space(),
        "process": process,
        "started": _started(process),
    }


def _gone(owner: Mapping[str, object]) -> bool:
    """Whether an owner of this very machine is known to be dead: then nobody need wait."""
    if not _space() or owner.get("space") != _space():
        return False
    return _started(int(str(owner.get("process", 0)))) != owner.get("started")
