"""A server with OpenAI's interface for completions, and with faults that a test asks for."""

import json
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VOCABULARY = 30
KEY = "a-key-that-nobody-may-see"

Body = Mapping[str, Any]
Fault = Callable[["Handler", Body, int], bool]
"""Told of a request and the number of its try; whether it dealt with it."""


def logprobs(before: Sequence[int]) -> list[float]:
    """Log probabilities of all tokens after some others, by a formula."""
    weights = [1 + (token * 7 + sum(before) * 3 + len(before)) % 11 for token in range(VOCABULARY)]
    return [math.log(weight / sum(weights)) for weight in weights]


class Completions(ThreadingHTTPServer):
    """Answers as vLLM's server does, unless it lacks what vLLM's has."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, fault: Fault | None = None, vllm: bool = True, models: int = 1) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fault = fault
        self.vllm = vllm
        self.models = [f"model-{n}" for n in range(models)]
        self.lock = threading.Lock()
        self.tries: Counter[str] = Counter()
        self.in_flight = self.most_in_flight = 0
        self.headers: list[Mapping[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Completions

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self.reply(200, {"data": [{"id": name} for name in self.server.models]})

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
            server.tries[str(body["prompt"])] += 1
            attempt = server.tries[str(body["prompt"])]
            server.headers.append(dict(self.headers))
        try:
            if not (server.fault and server.fault(self, body, attempt)):
                self.reply(200, {"choices": [{"logprobs": self.told(body)}]})
        finally:
            with server.lock:
                server.in_flight -= 1

    def told(self, body: Body) -> Mapping[str, object]:
        vllm = self.server.vllm
        tokens, places = list(body["prompt"]), []
        if body.get("echo"):
            places = list(range(len(tokens)))
        for _ in range(body["max_tokens"]):
            values = logprobs(tokens)
            allowed = body.get("allowed_token_ids", range(VOCABULARY))
            tokens.append(max(allowed if vllm else range(VOCABULARY), key=values.__getitem__))
            places.append(len(tokens) - 1)
        name = "token_id:{}" if vllm else "text of {}"
        told = []
        for place in places:
            values = logprobs(tokens[:place])
            likely = sorted(range(VOCABULARY), key=lambda one: -values[one])[: body["logprobs"]]
            wanted = {tokens[place], *((vllm and body.get("logprob_token_ids")) or likely)}
            told.append({name.format(one): values[one] for one in wanted} if place else None)
        return {
            "tokens": [name.format(tokens[place]) for place in places],
            "token_logprobs": [logprobs(tokens[:p])[tokens[p]] if p else None for p in places],
            "top_logprobs": told,
        }

    def reply(self, status: int, content: object, **headers: str) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@contextmanager
def completions(
    fault: Fault | None = None, vllm: bool = True, models: int = 1
) -> Iterator[Completions]:
    """A server on a port of its own."""
    with Completions(fault, vllm, models) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
