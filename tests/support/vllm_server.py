"""vLLM's own server, as a user starts it."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.processes import called

WINDOW = 2048
"""The server reads no longer requests."""


class VllmServer:
    """A server that is starting, or has started."""

    def __init__(self, model: Path, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
                    *("--model", str(model), "--served-model-name", "tiny"),
                    *("--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"),
                    *("--max-model-len", str(WINDOW), "--max-num-batched-tokens", "512"),
                    "--enforce-eager",
                ],
                stdout=output,
                stderr=output,
                env={
                    **os.environ,
                    "VLLM_CPU_KVCACHE_SPACE": "1",
                    "TORCHDYNAMO_DISABLE": "1",
                    "VLLM_NO_USAGE_STATS": "1",
                },
            )

    def wait(self) -> None:
        """Until it answers."""
        while self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/models", timeout=5).close()
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                time.sleep(0.5)
            else:
                return
        raise AssertionError(self._log.read_text()[-2000:])


@contextmanager
def serving(model: Path, log: Path) -> Iterator[VllmServer]:
    """A server, ended at the end."""
    server = VllmServer(model, log)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait()


def engine_of(pid: int, but: Sequence[int] = ()) -> int:
    """The process of vLLM's engine that another one has started."""
    found = [child for child in called("Engine", pid) if child not in but]
    return found[0]
