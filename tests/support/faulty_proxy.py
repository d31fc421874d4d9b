"""A proxy of this machine before an object store, at which requests go wrong by plan."""

import contextlib
import http.client
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.object_store import environment, s3_server

Choose = Callable[[str, str], str | None]
"""From a request's method and target to what becomes of it; None where nothing goes wrong.

`error`: the reply is 500 and the store hears of nothing. `cut`: the connection ends in the middle
of the reply. `lost`: the store does what it was asked for, and no reply comes. `slow`: the reply
comes in many small pieces with pauses between them.
"""


@dataclass
class FaultyProxy:
    """A running proxy: its address, and what it has seen and done."""

    endpoint: str
    choose: Choose
    done: Counter[str] = field(default_factory=Counter)
    targets: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fate(self, method: str, target: str) -> str | None:
        """What becomes of a request; one at a time, so that plans may count."""
        with self.lock:
            self.targets.append(f"{method} {target}")
            chosen = self.choose(method, target)
            if chosen:
                self.done[chosen] += 1
            return chosen


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultyProxy
    host: str

    def forward(self) -> None:
        """Answer one request as its fate has it."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fate = self.proxy.fate(self.command, self.path)
        if fate == "error":
            self.answer(500, {"Content-Length": "0"}, b"")
            return
        connection = http.client.HTTPConnection(self.host, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() != "connection"}
        connection.request(self.command, self.path, body, headers)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        if fate == "lost":
            self.close_connection = True
            return
        told = {k: v for k, v in reply.getheaders() if k.lower() not in _OWN}
        size = reply.getheader("Content-Length") if self.command == "HEAD" else len(content)
        self.answer(reply.status, {**told, "Content-Length": str(size)}, content, fate)

    def answer(
        self, status: int, headers: dict[str, str], content: bytes, fate: str | None = None
    ) -> None:
        """Send a reply, or the beginning of one."""
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fate == "cut":
            self.close_connection = True
            content = content[: len(content) // 2]
        step = len(content) // 10 + 1 if fate == "slow" else len(content) + 1
        for start in range(0, len(content), step):
            self.wfile.write(content[start : start + step])
            time.sleep(0.02 * (fate == "slow"))

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


_OWN = {"connection", "content-length", "transfer-encoding", "server", "date"}
"""Headers that a proxy gives by itself."""


@contextlib.contextmanager
def faulty_proxy(store: str, choose: Choose) -> Iterator[FaultyProxy]:
    """A proxy before the store at the URL `store`."""

    class Handler(_Handler):
        host = urllib.parse.urlsplit(store).netloc

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.proxy = proxy = FaultyProxy(f"http://127.0.0.1:{server.server_port}", choose)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def faulty_store(bucket: str, choose: Choose) -> Iterator[FaultyProxy]:
    """A proxy before an empty bucket, and the environment in which it is found."""
    with contextlib.ExitStack() as stack:
        settings = stack.enter_context(s3_server(bucket))
        proxy = stack.enter_context(faulty_proxy(settings["AWS_ENDPOINT_URL"], choose))
        stack.enter_context(environment({**settings, "AWS_ENDPOINT_URL": proxy.endpoint}))
        yield proxy
