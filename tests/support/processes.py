"""The processes that a test has started, and what they have started in turn."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from benchmarks.processes import children_by_parent


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    children, found = children_by_parent(), [pid]
    for one in found:
        found += children.get(one, ())
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
