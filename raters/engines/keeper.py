"""A process that ends others when the one that started them is gone, however it went.

vLLM's engine process outlives the process that asked for it where that one is killed, and keeps the
card's memory (its issue 55510): the next worker on the machine would find the card full.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from multiprocessing import active_children


class Keeper:
    """Watches over the children that this process gets from now on, until it is closed."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "raters.engines.keeper"],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        self._known = set(active_children())
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the children to themselves."""
        self._closed.set()
        self._thread.join()
        self._child.kill()
        self._child.communicate()

    def _tell(self) -> None:
        stream = self._child.stdin
        assert stream is not None
        while not self._closed.wait(0.2):
            for child in set(active_children()) - self._known:
                stream.write(f"{child.pid}\n".encode())
                stream.flush()
                self._known.add(child)


def keep() -> None:
    """The other side: hold on to each process that is named, and end all of them at the end."""
    # A handle of a process, unlike its number, never comes to mean another one.
    held = [os.pidfd_open(int(line)) for line in iter(sys.stdin.buffer.readline, b"")]
    for handle in held:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)


if __name__ == "__main__":
    keep()
