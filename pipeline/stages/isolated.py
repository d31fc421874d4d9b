"""A stage in a process of its own, so that a row that crashes or hangs it is found and left out."""

import pickle
import select
import struct
import subprocess
import sys
from types import TracebackType

import pyarrow as pa

from pipeline.stages.base import MapStage

SECONDS = 60
"""A batch may take this long, and as long again for each MiB of text that it holds."""


def time_limit(batch: pa.RecordBatch) -> float:
    """Seconds after which a batch is held to hang."""
    return SECONDS * (1 + int(batch.nbytes) / (1 << 20))


class CulpritError(Exception):
    """A batch that the stage did not survive; `status` is crashed or timeout."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class IsolatedStage:
    """Applies a stage in a child process, which is replaced when it dies or hangs."""

    def __init__(self, stage: MapStage) -> None:
        self._stage = stage
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
        self._stop()

    def apply(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch | None, dict[int, str]]:
        """The stage's columns for the rows that survive, and the status of each other row."""
        culprits: dict[int, str] = {}
        kept: list[pa.RecordBatch] = []
        pending = [(0, len(batch))]
        while pending:
            start, count = pending.pop()
            piece = batch.slice(start, count)
            try:
                kept.append(self._send(piece))
            except CulpritError as culprit:
                if count == 1:
                    culprits[start] = culprit.status
                    continue
                half = count // 2
                pending += [(start + half, count - half), (start, half)]
        if not kept:
            return None, culprits
        table = pa.Table.from_batches(kept).combine_chunks()
        return table.to_batches()[0] if len(table) else kept[0], culprits

    def _send(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        child = self._child or self._start()
        assert child.stdin
        assert child.stdout
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=batch.schema))
        try:
            _write(child.stdin, sink.getvalue())
            ready, _, _ = select.select([child.stdout], [], [], time_limit(batch))
            if not ready:
                raise CulpritError("timeout")
            reply = _read(child.stdout)
        except (OSError, EOFError):
            self._stop()
            raise CulpritError("crashed") from None
        except CulpritError:
            self._stop()
            raise
        if not reply:
            raise CulpritError("crashed")
        return pa.ipc.open_stream(reply).read_next_batch()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pipeline.stages.isolated"]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._child.stdin
        _write(self._child.stdin, pickle.dumps((sys.path, self._stage)))
        return self._child

    def _stop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def _write(stream: "object", data: "bytes | pa.Buffer") -> None:
    write, flush = stream.write, stream.flush  # type: ignore[attr-defined]
    write(struct.pack("<Q", len(data)))
    write(data)
    flush()


def _read(stream: "object") -> bytes:
    head = stream.read(8)  # type: ignore[attr-defined]
    if len(head) < 8:
        raise EOFError
    (size,) = struct.unpack("<Q", head)
    data: bytes = stream.read(size)  # type: ignore[attr-defined]
    if len(data) < size:
        raise EOFError
    return data


def serve() -> None:
    """The child: batches in, columns out; an empty reply where the stage raised."""
    replies, sys.stdout = sys.stdout.buffer, sys.stderr
    # What is unpickled here was pickled by the parent process.
    stage: MapStage
    sys.path[:], stage = pickle.loads(_read(sys.stdin.buffer))  # noqa: S301
    while True:
        try:
            request = _read(sys.stdin.buffer)
        except EOFError:
            return
        try:
            result = stage.apply(pa.ipc.open_stream(request).read_next_batch())
        except Exception:
            _write(replies, b"")
            continue
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, result.schema) as writer:
            writer.write_batch(result)
        _write(replies, sink.getvalue())


if __name__ == "__main__":
    serve()
