"""Damage done at random to a run and its rating workers, and what is to hold meanwhile."""

import contextlib
import hashlib
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.processes import EXECUTOR, called, command_line, descendants

PYTHON_WORKER = "pyspark.daemon"
ENGINE = "EngineCore"
REPLACED = ("manifest.json", "croissant.json", "README.md")
"""What of a mixture is replaced whole."""

QUIET = 2.0
"""Nobody holds on to a file for so many seconds between closing it and giving it its name."""

Stamp = tuple[int, int, str]


@dataclass
class Scene:
    """What damage can be done to."""

    chance: random.Random
    work: Path
    """The workspace, on a disk of its own where there is one."""
    shuffles: Path
    """Where Spark keeps its temporary files."""
    disk: Path | None
    """That disk."""
    drivers: list[int] = field(default_factory=list)
    raters: list[int] = field(default_factory=list)
    undone: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    """What is to be made good again, and when."""

    def later(self, seconds: float, undo: Callable[[], None]) -> None:
        """Make something good after a while."""
        self.undone.append((time.monotonic() + seconds, undo))

    def mend(self, now: float = float("inf")) -> None:
        """Make good what is due by now."""
        due = [undo for when, undo in self.undone if when <= now]
        self.undone = [(when, undo) for when, undo in self.undone if when > now]
        for undo in due:
            undo()

    def python_workers(self) -> list[int]:
        """The Python of executors: daemons, workers, and what those have started."""
        found = [worker for pid in called(EXECUTOR) for worker in descendants(pid)]
        return [pid for pid in found if "python" in command_line(pid)]


@dataclass(frozen=True)
class Damage:
    """One kind of damage; `inflict` says what was hit, or None where there is nothing to hit.

    What is `fatal` to a run's progress is done in its turn alone, others in between too.
    """

    name: str
    inflict: Callable[[Scene], str | None]
    fatal: bool = False


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _killed(scene: Scene, found: Sequence[int]) -> str | None:
    # The dead have no command line.
    living = {pid: line for pid in found if (line := command_line(pid))}
    if not living:
        return None
    victim = scene.chance.choice(sorted(living))
    _signal(victim, signal.SIGKILL)
    return f"{victim} ({living[victim].strip()[-60:]})"


def kill_executor(scene: Scene) -> str | None:
    """An executor's JVM, and with it its Python workers."""
    return _killed(scene, called(EXECUTOR))


def kill_driver(scene: Scene) -> str | None:
    """The JVM or the Python of a driver that has executors."""
    if not called(EXECUTOR):
        return None
    return _killed(scene, [p for pid in scene.drivers for p in (pid, *descendants(pid))])


def kill_python_worker(scene: Scene) -> str | None:
    """A Python worker, its daemon, or a process that it has put a stage in."""
    return _killed(scene, scene.python_workers())


def kill_rating_worker(scene: Scene) -> str | None:
    """A rating worker, or the process that it has put its model in."""
    return _killed(scene, [p for pid in scene.raters for p in (pid, *descendants(pid))])


def kill_engine(scene: Scene) -> str | None:
    """vLLM's engine process, of a rating worker or of an executor."""
    return _killed(scene, called(ENGINE))


def pause(scene: Scene) -> str | None:
    """Stop a worker for longer than its lease, then let it go on."""
    found = [*scene.raters, *scene.python_workers()]
    if not found:
        return None
    victim, seconds = scene.chance.choice(found), scene.chance.uniform(2, 5)
    _signal(victim, signal.SIGSTOP)
    scene.later(seconds, lambda: _signal(victim, signal.SIGCONT))
    return f"{victim} for {seconds:.1f} s ({command_line(victim).strip()[-60:]})"


def fill_disk(scene: Scene) -> str | None:
    """Leave no byte on the workspace's disk for a while."""
    if scene.disk is None or not called(EXECUTOR):
        return None
    ballast, seconds = scene.disk / "ballast", scene.chance.uniform(1, 4)
    if ballast.exists():
        return None
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    scene.later(seconds, ballast.unlink)
    return f"for {seconds:.1f} s"


def corrupt_temporary_file(scene: Scene) -> str | None:
    """Turn over a byte of a file that a dead process left, or of one of Spark's shuffles."""
    left = [path for path in (scene.work / "_tmp").glob("*") if _is_left(path)]
    found = left + [path for path in _files(scene.shuffles) if path.name.endswith(".data")]
    if not found:
        return None
    path = scene.chance.choice(sorted(found))
    try:
        with path.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                return None
            place = scene.chance.randrange(size)
            file.seek(place)
            (byte,) = file.read(1)
            file.seek(place)
            file.write(bytes([byte ^ 0xFF]))
    except OSError:
        return None
    return f"{path.name}, byte {place} of {size}"


def _files(folder: Path) -> list[Path]:
    """The files in a folder, from which others may just be taking some away."""
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]


def _is_left(path: Path) -> bool:
    """Whether it is an old file that nobody has open: one in hand is not for others to write to."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(link) == str(path):
                return False
    return path.is_file() and time.time() - path.stat().st_mtime > QUIET


KINDS = (
    Damage("an executor is killed", kill_executor, fatal=True),
    Damage("the driver is killed", kill_driver, fatal=True),
    Damage("a Python worker is killed", kill_python_worker),
    Damage("a rating worker is killed", kill_rating_worker),
    Damage("an engine is killed", kill_engine),
    Damage("a worker is paused", pause),
    Damage("the disk is full", fill_disk, fatal=True),
    Damage("a temporary file is corrupted", corrupt_temporary_file),
)


class Committed:
    """Every file of a workspace that has its name for good, as it was when it was first seen."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._seen: dict[str, Stamp] = {}

    def look(self) -> None:
        """None is gone, and none was written again; new ones are remembered."""
        found = {}
        for path in _files(self._work):
            name = str(path.relative_to(self._work))
            if "_tmp" in path.parts or ".lease." in name or name.startswith("runs/"):
                continue
            if path.name in REPLACED and "mixtures" in path.parts:
                continue
            status = path.stat()
            known = self._seen.get(name)
            if known is not None and known[:2] == (status.st_ino, status.st_mtime_ns):
                found[name] = known
            else:
                found[name] = (status.st_ino, status.st_mtime_ns, _digest(path))
        changed = [name for name, stamp in self._seen.items() if found.get(name) != stamp]
        assert not changed, f"committed, then changed: {changed}"
        self._seen = found

    def verify(self) -> None:
        """The bytes are those of the first time, whatever the file system says."""
        self.look()
        changed = [n for n, (*_, told) in self._seen.items() if _digest(self._work / n) != told]
        assert not changed, f"committed, then changed in place: {changed}"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
