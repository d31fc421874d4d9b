"""The processes that a test has started, and what they have started in turn."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it may end meanwhile
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def command_line(pid: int) -> str:
    """How a process was called; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def called(what: str, pid: int | None = None) -> list[int]:
    """The descendants of a process, by default of this one, in whose call `what` stands."""
    found = descendants(os.getpid() if pid is None else pid)
    return [child for child in found if what in command_line(child)]


EXECUTOR = "CoarseGrainedExecutorBackend"
"""Stands in the call of an executor's JVM."""


def end(process: "subprocess.Popen[str]") -> None:
    """End a process that leads a group of its own, with all of the group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
