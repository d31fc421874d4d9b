"""Named fault points: where a test may kill the process, to show that nothing is lost."""

import os
import signal
from pathlib import Path

POINTS: tuple[str, ...] = (
    "ingest.plan",
    "ingest.rejects",
    "ingest.part",
    "ingest.task",
    "ingest.index",
    "ingest.generation",
    "map.part",
    "map.index",
    "map.stage",
    "relational.part",
    "relational.index",
    "relational.stage",
    "write.shard",
    "write.manifest",
    "write.record",
)
"""Every step of a commit; each has `.before` and `.after`."""

SLICE_POINTS: tuple[str, ...] = ("lease.take", "lease.renew", "slice.part", "slice.assembly")
"""The steps of work that is shared in slices, likewise."""


def fault(point: str) -> None:
    """Kill this process with SIGKILL if WINNOW_FAULT names `point`.

    WINNOW_FAULT is `POINT:LEDGER`: each death first adds a byte to the file LEDGER, and none
    happens once the file is there, so that the retry, or the next run, gets past the point.
    WINNOW_FAULT_TARGET=jvm kills the JVM that started this Python worker instead, `driver` the
    process that WINNOW_DRIVER_PID names, and with it the JVM and this worker, which would otherwise
    go on for a while and might finish what is left.
    """
    setting = os.environ.get("WINNOW_FAULT")
    if not setting:
        return
    name, _, ledger = setting.partition(":")
    if name != point:
        return
    try:
        os.close(os.open(ledger, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return
    target = os.environ.get("WINNOW_FAULT_TARGET", "self")
    jvm = _jvm()
    victims = {"self": [os.getpid()], "jvm": [jvm], "driver": [_driver(), jvm, os.getpid()]}
    for victim in victims[target]:
        os.kill(victim, signal.SIGKILL)


def _ancestor(name: bytes) -> int:
    pid = os.getpid()
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        if name in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]:
            return pid
    return os.getpid()


def _jvm() -> int:
    return _ancestor(b"java")


def _driver() -> int:
    return int(os.environ.get("WINNOW_DRIVER_PID", os.getpid()))
