"""The memory and processor time of a run's processes, sampled while it runs (Linux: /proc)."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

KINDS = ("driver", "jvm", "worker")
"""The process that was started; Spark's Java process; the Python processes below that."""

_INTERVAL = 0.1


def children_by_parent() -> dict[int, list[int]]:
    """The living processes by their parent."""
    found: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path("/proc", entry, "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parent = int(stat.rpartition(")")[2].split()[1])
        found.setdefault(parent, []).append(int(entry))
    return found


def _below(process: int, kind: str, children: dict[int, list[int]]) -> Iterator[tuple[int, str]]:
    yield process, kind
    for child in children.get(process, ()):
        java = _is_java(child)
        if kind == "driver":
            yield from _below(child, "jvm" if java else "other", children)
        # Until it runs its own program, what the JVM starts shares the memory of the JVM.
        elif not (kind == "jvm" and java):
            yield from _below(child, "worker" if kind == "jvm" else kind, children)


def _is_java(process: int) -> bool:
    try:
        words = Path("/proc", str(process), "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return words[0].endswith(b"java") and b"org.apache.spark.deploy.SparkSubmit" in words


def _figure(process: int, file: str, label: str) -> int:
    """What a file of the process in /proc says under a label, in bytes; 0 where it is gone."""
    try:
        for line in Path("/proc", str(process), file).read_text().splitlines():
            if line.startswith(label):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def _peak(process: int) -> int:
    """The most memory that the process has held so far."""
    return _figure(process, "status", "VmHWM:")


def _shared(process: int) -> int:
    """What the process holds now, of shared pages its part."""
    return _figure(process, "smaps_rollup", "Pss:")


def _processor(process: int) -> float:
    """Seconds that the process has had a core so far; 0 where it is gone."""
    try:
        stat = Path("/proc", str(process), "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@dataclass
class Peaks:
    """The largest resident set that any process of each kind had, in bytes."""

    bytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    workers: set[int] = field(default_factory=set)
    python: int = 0
    """The most that all processes but Java's held together at one time, shared pages once."""
    seconds: dict[int, float] = field(default_factory=dict)
    """Processor time of each process, Java's too, as last seen."""
    course: list[tuple[float, float]] = field(default_factory=list)
    """The time of each look, and the processor time of all processes until then."""

    def look(self, root: int) -> None:
        """Take in what the processes below `root` hold now and have held at most."""
        python = 0
        for process, kind in _below(root, "driver", children_by_parent()):
            python += _shared(process) if kind in ("driver", "worker") else 0
            self.seconds[process] = max(self.seconds.get(process, 0.0), _processor(process))
            if kind in self.bytes:
                self.bytes[kind] = max(self.bytes[kind], _peak(process))
            if kind == "worker":
                self.workers.add(process)
        self.python = max(self.python, python)
        self.course.append((time.monotonic(), sum(self.seconds.values())))

    def between(self, began: float, ended: float) -> float:
        """Processor seconds of all processes from one time on the monotonic clock to another."""
        times, seconds = zip(*self.course, strict=True)
        low, high = np.interp([began, ended], times, seconds)
        return float(high - low)

    def mb(self, kind: str) -> float:
        """In megabytes."""
        return round(self.bytes[kind] / 1e6)


class Watch:
    """Samples the processes below one until the block ends."""

    def __init__(self, root: int) -> None:
        self.peaks = Peaks()
        self._root = root
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(_INTERVAL):
            self.peaks.look(self._root)
