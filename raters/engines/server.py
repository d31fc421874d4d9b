"""The engine that asks a server with OpenAI's interface, as vLLM's own is."""

import math
import os
from typing import Annotated, Literal, NoReturn, TypeVar

from annotated_types import Len
from pydantic import BaseModel, Field, ValidationError

from raters.base import EngineError, Scored, Scoring
from raters.engines.client import Client
from raters.engines.concurrency import ConcurrentEngine
from raters.engines.drafts import Draft, RefusalError, Written
from raters.engines.options import EngineOptions

_COMPLETIONS = "/completions"
_MOST_LIKELY = 20
"""A server that can't tell the probabilities of named tokens tells those of so many likely ones."""

_Use = Literal["score", "choose"]
_Number = Annotated[float, Field(allow_inf_nan=False)]


class _Logprobs(BaseModel):
    tokens: list[str]
    token_logprobs: list[_Number | None]
    top_logprobs: list[dict[str, _Number] | None]


class _Choice(BaseModel):
    logprobs: _Logprobs


class _Completion(BaseModel):
    choices: Annotated[list[_Choice], Len(1, 1)]


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model]


class ServerEngine(ConcurrentEngine):
    """Scores and chooses as the server's engine does: with vLLM, within the tolerances of `vllm`.

    Texts are sent as token ids, so that no special token in one is ever read as such. A server that
    takes ids and tells the probabilities of a prompt (`echo` with `logprobs`) can score. To choose,
    it has to name tokens by their ids (`return_tokens_as_token_ids`, vLLM's); one that does not
    know vLLM's `logprob_token_ids` leaves those probabilities unknown that are not among the 20
    largest. What a server lacks is found when the engine is opened, and said when it is needed.
    Its memory is bounded by how it was started: vLLM wants `--max-num-batched-tokens 2048`, as it
    does not count the logits of prompts when it plans.
    """

    def __init__(self, options: EngineOptions) -> None:
        super().__init__(options.concurrency, 1 << 22)
        assert options.url is not None
        self._client = Client(
            options.url,
            _key(options.api_key_env),
            options.concurrency,
            options.timeout,
            options.patience,
        )
        self._model = options.served_model
        self._lacks: dict[_Use, str] = {}
        self._writes_last = True
        self._runner.run(self._probe())

    def close(self) -> None:
        """Close the connections."""
        self._runner.run(self._client.close())
        super().close()

    async def _prepare(self) -> None:
        """Connections are opened as they are needed."""

    async def _score(self, request: Scoring) -> Scored:
        self._need("score")
        return await self._ask_score(request)

    async def _write(self, draft: Draft) -> Written:
        self._need("choose")
        return await self._ask_write(draft)

    async def _probe(self) -> None:
        """Find the model's name, and what the server can do."""
        if self._model is None:
            self._model = await self._only_model()
        scoring = Scoring(tokens=[0, 1, 0], scored=2)
        try:
            await self._ask_score(scoring)
        except RefusalError:
            self._writes_last = False
            try:
                await self._ask_score(scoring)
            except RefusalError as refusal:
                self._lacks["score"] = str(refusal)
        try:
            await self._ask_write(Draft(tokens=[0], length=1, allowed=[0, 1]))
        except RefusalError as refusal:
            self._lacks["choose"] = str(refusal)
        if len(self._lacks) == 2:
            self._need("score")

    async def _only_model(self) -> str:
        try:
            listed = _read(_Models, await self._client.ask("/models"))
        except RefusalError as refusal:
            self._break(f"does not list its models ({refusal}); is `url` right?")
        names = [model.id for model in listed.data]
        if len(names) != 1:
            told = ", ".join(sorted(names)) or "none"
            self._break(f"has these models: {told}; `served_model` should name one")
        return names[0]

    async def _ask_score(self, request: Scoring) -> Scored:
        tokens = list(request.tokens)
        body = {"prompt": tokens, "max_tokens": 0, "echo": True, "logprobs": 1}
        if self._writes_last:
            # vLLM always writes a token. Let it be the last: a text may fill the model's window.
            body |= {"prompt": tokens[:-1], "max_tokens": 1, "allowed_token_ids": tokens[-1:]}
        told = await self._ask(body)
        if self._writes_last and told.tokens != [_name(token) for token in tokens]:
            raise RefusalError("the answer has other tokens than the request")
        found = told.token_logprobs[-request.scored :]
        if len(told.token_logprobs) != len(tokens) or None in found:
            raise RefusalError("the answer does not give each token its probability")
        return Scored(nll=-math.fsum(value for value in found if value is not None))

    async def _ask_write(self, draft: Draft) -> Written:
        allowed = list(draft.allowed)
        told = await self._ask(
            {
                "prompt": list(draft.tokens),
                "max_tokens": draft.length,
                "logprobs": _MOST_LIKELY,
                "allowed_token_ids": allowed,
                "logprob_token_ids": allowed,
                "ignore_eos": True,
            }
        )
        logprobs = [
            {_token(name): value for name, value in (known or {}).items()}
            for known in told.top_logprobs
        ]
        return Written(tokens=[_token(name) for name in told.tokens], logprobs=logprobs)

    async def _ask(self, body: dict[str, object]) -> _Logprobs:
        plain = {
            "model": self._model,
            "temperature": 0,
            "repetition_penalty": 1.0,
            "return_tokens_as_token_ids": True,
        }
        answer = await self._client.ask(_COMPLETIONS, {**plain, **body})
        return _read(_Completion, answer).choices[0].logprobs

    def _need(self, use: _Use) -> None:
        if use in self._lacks:
            self._break(
                f"can't {use} ({self._lacks[use]}); vLLM's own server, 0.32 or later, can, "
                "and `engine: vllm` needs no server"
            )

    def _break(self, what: str) -> NoReturn:
        raise EngineError(f"the server at {self._client.url} {what}")


Form = TypeVar("Form", bound=BaseModel)


def _read(form: type[Form], answer: bytes) -> Form:
    try:
        return form.model_validate_json(answer)
    except ValidationError:
        raise RefusalError("the answer is not of the form that it should have") from None


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    # A character that no header may have would end up, with the key, in an error's text.
    if not key or not key.isascii() or not key.isprintable():
        raise EngineError(f"the environment variable {variable} holds no key")
    return key


def _name(token: int) -> str:
    """How vLLM writes a token that it was asked to name by its id."""
    return f"token_id:{token}"


def _token(name: str) -> int:
    head, _, digits = name.partition(":")
    if head != "token_id" or not digits.isdecimal():
        raise RefusalError("the answer names tokens by their texts, not by their ids")
    return int(digits)
