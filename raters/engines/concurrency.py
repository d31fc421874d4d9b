"""What the engines have in common that answer many requests at a time, each by itself."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

from raters.base import (
    Choosing,
    Completion,
    EngineDiedError,
    EngineError,
    Refused,
    Request,
    Scored,
    Scoring,
)
from raters.engines.drafts import Draft, RefusalError, Written, choose

Failure = EngineError | EngineDiedError


class ConcurrentEngine(ABC):
    """Has a bounded number of requests in flight, the longest first; each fails alone."""

    exact: ClassVar[bool] = False

    def __init__(self, requests: int, tokens: int) -> None:
        """In flight are at most so many requests and tokens, but always one request."""
        self._at_once = requests
        self._most_tokens = tokens
        self._runner = asyncio.Runner()

    def run(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer each request."""
        try:
            return self._runner.run(self._run(requests))
        except* (EngineError, EngineDiedError) as group:
            broken = group
        raise _first(broken) from None

    def close(self) -> None:
        """Let go of what the engine holds; it answers no more."""
        self._runner.close()

    @abstractmethod
    async def _prepare(self) -> None:
        """Make ready before requests are answered."""

    @abstractmethod
    async def _score(self, request: Scoring) -> Scored:
        """Answer one request; RefusalError or EngineError where it can't be."""

    @abstractmethod
    async def _write(self, draft: Draft) -> Written:
        """What the model writes; RefusalError or EngineError where it can't be had."""

    async def _run(self, requests: Sequence[Request]) -> list[Completion]:
        await self._prepare()
        found: dict[int, Completion] = {}
        # Were the longest ones the last, the rest of the machine would wait for them.
        order = sorted(range(len(requests)), key=lambda place: -len(requests[place].tokens))
        places, room = iter(order), _Room(self._most_tokens)

        async def work() -> None:
            for place in places:
                async with room.held(len(requests[place].tokens)):
                    found[place] = await self._answer(requests[place])

        async with asyncio.TaskGroup() as group:
            for _ in range(min(len(requests), self._at_once)):
                group.create_task(work())
        return [found[place] for place in range(len(requests))]

    async def _answer(self, request: Request) -> Completion:
        try:
            if isinstance(request, Choosing):
                return await choose(request, self._write)
            return await self._score(request)
        except RefusalError as refusal:
            return Refused(reason=str(refusal))


class _Room:
    """Room for so many tokens; a request that is larger has it alone."""

    def __init__(self, tokens: int) -> None:
        self._tokens = tokens
        self._held = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def held(self, tokens: int) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(
                lambda: not self._held or self._held + tokens <= self._tokens
            )
            self._held += tokens
        try:
            yield
        finally:
            async with self._changed:
                self._held -= tokens
                self._changed.notify_all()


def _first(group: BaseExceptionGroup[Failure]) -> Failure:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, EngineError | EngineDiedError)
    return error
