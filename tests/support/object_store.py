"""An S3-speaking server of this machine."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def s3_server(bucket: str) -> Iterator[Mapping[str, str]]:
    """Serve an empty bucket; the environment in which it is found.

    Stores are opened once in a process: each server needs a bucket of another name.
    """
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    script = "import sys; from moto.server import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", script, "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd="/") as server:
        try:
            _make_bucket(f"{endpoint}/{bucket}", server)
            yield {
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_REGION": "us-east-1",
                "AWS_ALLOW_HTTP": "true",
            }
        finally:
            server.kill()


def _make_bucket(url: str, server: "subprocess.Popen[bytes]") -> None:
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/s3/aws4_request"
    }
    request = urllib.request.Request(url, method="PUT", headers=headers)
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(request).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@contextlib.contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set these variables for a while."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
