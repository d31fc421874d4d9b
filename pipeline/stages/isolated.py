"""A stage in a process of its own, so that a row that crashes or hangs it is found and left out."""

import contextlib
import ctypes
import faulthandler
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import IO

import pyarrow as pa

from pipeline.stages.base import MapStage
from schemas.errors import OutageError, WinnowError

_PIECES = 16
"""A batch that the stage does not survive is cut into so many.

A hang costs a time limit a cut, a crash another load of the model: of 2000 rows four, and one for
the second try of the row that is found.
"""
IDLE = "WINNOW_IDLE_SECONDS"
"""The variable that says after how long a child of which nothing is asked ends: 60 s without."""
_DIE_WITH_PARENT = 1
_HEAD = struct.Struct("<BQ")
_FAILED, _DONE, _OUTAGE = range(3)


def time_limit(stage: MapStage, batch: pa.RecordBatch) -> float:
    """Seconds after which a stage is held to hang on a batch."""
    return stage.seconds * (1 + int(batch.nbytes) / (1 << 20))


class CulpritError(Exception):
    """A batch that the stage did not survive; `status` is crashed or timeout."""

    def __init__(self, status: str, what: str) -> None:
        super().__init__(what)
        self.status = status


class IsolatedStage:
    """Applies a stage in a child process, which is replaced when it dies or hangs.

    The child has `environment` besides its parent's.
    """

    def __init__(self, stage: MapStage, environment: Mapping[str, str] | None = None) -> None:
        self.stage, self.environment = stage, dict(environment or {})
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "IsolatedStage":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the child."""
        self.stop()

    def apply(
        self, batch: pa.RecordBatch, found: Callable[[CulpritError], None] = lambda culprit: None
    ) -> tuple[pa.RecordBatch | None, dict[int, str]]:
        """The stage's columns for the rows that survive, and the status of each other row.

        A row is held to crash the stage at its second try alone: at one, somebody else may have
        killed the child, or the model's own process. `found` is told of each row that does not
        survive, and may raise to give up.
        """
        culprits: dict[int, str] = {}
        suspects: set[int] = set()
        kept: list[pa.RecordBatch] = []
        pending = [(0, len(batch))]
        while pending:
            start, count = pending.pop()
            try:
                kept.append(self._send(batch.slice(start, count)))
            except CulpritError as culprit:
                if count > 1:
                    step = -(-count // _PIECES)
                    cuts = range(start, start + count, step)
                    pending += [(at, min(step, start + count - at)) for at in reversed(cuts)]
                    continue
                if culprit.status == "crashed" and start not in suspects:
                    suspects.add(start)
                    pending.append((start, 1))
                    continue
                culprits[start] = culprit.status
                found(culprit)
        return (pa.concat_batches(kept) if kept else None), culprits

    def _send(self, batch: pa.RecordBatch, again: bool = True) -> pa.RecordBatch:
        try:
            outcome, reply = self._exchange(batch)
        except (OSError, EOFError):
            code = self.stop()
            if code in (0, -signal.SIGKILL) and again:
                # It had just ended by itself, as nothing had been asked of it, or somebody killed
                # it. The very same batch, for there are engines that mind how they are asked.
                return self._send(batch, again=False)
            raise CulpritError("crashed", f"its process ended with code {code}") from None
        except BaseException:
            self.stop()
            raise
        if outcome == _OUTAGE:
            raise WinnowError(reply.decode())
        if outcome == _FAILED:
            raise CulpritError("crashed", reply.decode())
        return pa.ipc.open_stream(reply).read_next_batch()

    def _exchange(self, batch: pa.RecordBatch) -> tuple[int, bytes]:
        if self._child is not None and self._child.poll() is not None:
            self.stop()
        child = self._child or self._start()
        assert child.stdin
        limit = time_limit(self.stage, batch)
        _write(child.stdin, _DONE, struct.pack("<d", limit))
        _write(child.stdin, _DONE, _packed(batch))
        return self._reply(child, limit)

    def _reply(self, child: "subprocess.Popen[bytes]", limit: float) -> tuple[int, bytes]:
        assert child.stdout
        ready, _, _ = select.select([child.stdout], [], [], limit)
        if not ready:
            raise CulpritError("timeout", f"no end after {limit:.0f} s")
        return _read(child.stdout)

    def _start(self) -> "subprocess.Popen[bytes]":
        """A child that has loaded what the stage needs; WinnowError where it can't."""
        path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "pipeline.stages.isolated"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **path, **self.environment},
        )
        assert self._child.stdin
        try:
            _write(self._child.stdin, _DONE, pickle.dumps(self.stage))
            outcome, reply = self._reply(self._child, self.stage.load_seconds)
            loaded, told = outcome == _DONE, reply.decode()
        except (OSError, EOFError):
            loaded, told = False, f"its process ended with code {self.stop()}"
        except CulpritError as error:
            loaded, told = False, str(error)
        if not loaded:
            raise WinnowError(f"what the stage {self.stage.kind} needs does not load: {told}")
        return self._child

    def stop(self) -> int | None:
        """End the child, if there is one; its exit status."""
        child, self._child = self._child, None
        if child is None:
            return None
        child.kill()
        child.communicate()
        return child.returncode


def _packed(batch: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def _write(stream: IO[bytes], outcome: int, content: "bytes | pa.Buffer") -> None:
    stream.write(_HEAD.pack(outcome, len(content)))
    stream.write(content)
    stream.flush()


def _read(stream: IO[bytes]) -> tuple[int, bytes]:
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise EOFError
    outcome, size = _HEAD.unpack(head)
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return outcome, content


_residents: list[IsolatedStage] = []


def resident(stage: MapStage, environment: Mapping[str, str]) -> IsolatedStage:
    """The stage in a child that this process keeps, so that a model is loaded once, not for each.

    One is kept at a time; it ends by itself when nothing is asked of it any more.
    """
    for kept in _residents:
        if kept.stage == stage and kept.environment == environment:
            return kept
        kept.stop()
    _residents[:] = [IsolatedStage(stage, environment)]
    return _residents[0]


def _live_with_parent() -> None:
    """Signals that stop a group of processes are the parent's to answer; its end is the child's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(AttributeError, OSError):
        # Only Linux has it; elsewhere a child ends when it next looks for a request.
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def _load(stage: MapStage, replies: IO[bytes]) -> bool:
    try:
        stage.load()
    except WinnowError as error:
        _write(replies, _FAILED, str(error).encode("utf-8", "replace"))
        return False
    except Exception as error:
        _write(replies, _FAILED, f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
        return False
    _write(replies, _DONE, b"")
    return True


def serve() -> None:
    """The child: batches in, columns out; an error's text where the stage raised."""
    _live_with_parent()
    requests = sys.stdin.buffer
    # What a library prints must not come between the replies.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # What is unpickled here was pickled by the parent process.
    stage: MapStage = pickle.loads(_read(requests)[1])  # noqa: S301
    if not _load(stage, replies):
        return
    idle = float(os.environ.get(IDLE, 60))
    while select.select([requests], [], [], idle)[0]:
        try:
            (limit,) = struct.unpack("<d", _read(requests)[1])
            batch = pa.ipc.open_stream(_read(requests)[1]).read_next_batch()
        except EOFError:
            return
        # The parent kills a child that hangs; one whose parent is gone has to end by itself.
        faulthandler.dump_traceback_later(2 * limit, exit=True)
        try:
            _write(replies, _DONE, _packed(stage.apply(batch)))
        except OutageError as error:
            _write(replies, _OUTAGE, str(error).encode("utf-8", "replace"))
        except Exception as error:
            _write(replies, _FAILED, cause(error).encode("utf-8", "replace"))
        faulthandler.cancel_dump_traceback_later()


def cause(error: Exception) -> str:
    """What an error is and where it was raised; its message may quote a document.

    Not so those of files and of Winnow's own.
    """
    if isinstance(error, OSError | WinnowError):
        return f"{type(error).__name__}: {error}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {os.path.basename(frame.filename)}:{frame.lineno}"


if __name__ == "__main__":
    serve()
