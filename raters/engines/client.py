"""A client that asks an HTTP server until it answers, and knows when to give up on what."""

import asyncio
import ipaddress
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import NoReturn
from urllib.parse import urlsplit

import httpx2
import orjson

from raters.base import EngineError
from raters.engines.drafts import RefusalError

_TRIES = 4
"""A server that is well otherwise is asked the same thing so often."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_LARGEST = 1 << 26
"""Bytes of an answer."""
_BUSY = (429, 503)
_PASSING = (408, 425, 500, 502, 504, *_BUSY)
_FOR_ALL = {
    401: "it wants a key: `api_key_env` names the variable that holds it",
    403: "it wants another key: `api_key_env` names the variable that holds it",
    404: "it has no such model, or no such interface: is `url` whole, with its /v1, and is "
    "`served_model` right?",
    405: "it has no such interface: is `url` whole, with its /v1?",
}


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """A try that may go better the next time."""

    what: str
    busy: bool = False
    after: float = 0.0


class Client:
    """Asks one server; many requests at a time, each with its own pauses.

    What passes (connections refused or cut, answers that take too long, statuses 408, 425, 429 and
    5xx) is tried again after a random pause that may grow to 30 s, or as long as the server asks
    for. A request that fails four times while the server answers others is refused; where it
    answers nothing for `patience` seconds, or has no room for so long, the engine is broken.
    """

    def __init__(
        self, url: str, key: str | None, concurrency: int, timeout: float, patience: float
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._patience = patience
        self._answered = -1.0
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else None,
            timeout=httpx2.Timeout(timeout, pool=None),
            limits=httpx2.Limits(
                max_connections=concurrency, max_keepalive_connections=concurrency
            ),
            # A proxy between a machine and itself would be a mistake of the environment's.
            trust_env=not _is_loopback(self.url),
        )
        self._healthy: tuple[str, Mapping[str, object] | None] | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, path: str, body: Mapping[str, object] | None = None) -> bytes:
        """What the server answers with status 200: to a POST where there is a body."""
        started, failures = time.monotonic(), 0
        while isinstance(answer := await self._try(path, body), _Failure):
            failures += 1
            left = started + self._patience - time.monotonic()
            if not answer.busy and (failures >= _TRIES or left <= 0) and await self._well(started):
                raise RefusalError(f"the server fails on it: {answer.what}, {failures} times")
            if left <= 0:
                self._break(f"does not answer for {self._patience:.0f} s ({answer.what})")
            jitter = random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**failures))  # noqa: S311
            await asyncio.sleep(min(left, max(jitter, answer.after)))
        self._answered = time.monotonic()
        # The first question that is ever answered shows later whether the server is well.
        self._healthy = self._healthy or (path, body)
        return answer

    async def _well(self, since: float) -> bool:
        """Whether the server has answered anything since, or does now."""
        if self._answered > since:
            return True
        return self._healthy is not None and not isinstance(
            await self._try(*self._healthy), _Failure
        )

    async def _try(self, path: str, body: Mapping[str, object] | None) -> bytes | _Failure:
        try:
            async with asyncio.timeout(self._timeout):
                status, headers, content = await self._send(path, body)
        except (TimeoutError, httpx2.TimeoutException):
            return _Failure(what=f"no answer within {self._timeout:.0f} s")
        except httpx2.DecodingError:
            raise RefusalError("the answer can't be decompressed") from None
        except httpx2.TransportError as error:
            return _Failure(what=f"{type(error).__name__}: {error}")
        if status in _PASSING:
            after = _seconds(headers.get("retry-after", ""))
            return _Failure(what=f"status {status}", busy=status in _BUSY, after=after)
        if status in _FOR_ALL:
            self._break(f"answers with status {status}; {_FOR_ALL[status]}")
        if 300 <= status < 400:
            self._break(f"answers with status {status}, which points elsewhere; is `url` right?")
        if status != 200:
            raise RefusalError(f"the server answers with status {status}")
        return content

    async def _send(
        self, path: str, body: Mapping[str, object] | None
    ) -> tuple[int, httpx2.Headers, bytes]:
        content = None if body is None else orjson.dumps(body)
        async with self._client.stream(
            "GET" if body is None else "POST",
            f"{self.url}{path}",
            content=content,
            headers={"Content-Type": "application/json"},
        ) as answer:
            pieces, size = [], 0
            async for piece in answer.aiter_bytes():
                size += len(piece)
                if size > _LARGEST:
                    raise RefusalError(f"the answer has more than {_LARGEST} bytes")
                pieces.append(piece)
            return answer.status_code, answer.headers, b"".join(pieces)

    def _break(self, what: str) -> NoReturn:
        raise EngineError(f"the server at {self.url} {what}")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _seconds(written: str) -> float:
    """What a Retry-After header asks for; 0 where it is none."""
    if written.isdecimal():
        return float(written)
    try:
        return max(0.0, parsedate_to_datetime(written).timestamp() - time.time())
    except ValueError:
        return 0.0
