"""The engine that asks a server, against a real one that fails in every way a server can."""

import math
import pickle
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.completions import KEY, Body, Completions, Handler, completions, logprobs

from pipeline.stages.fingerprint import fingerprint
from raters.base import Choosing, Chosen, EngineError, Refused, Request, Scored, Scoring
from raters.engines import client
from raters.engines.server import ServerEngine
from raters.perplexity import Perplexity

REQUESTS: list[Request] = [
    request
    for n in range(2, 14)
    for request in (
        Scoring(tokens=[n, *range(n)], scored=n),
        Choosing(tokens=[n, n], steps=[[3, 4, 5], [7], [8, 9]]),
    )
]
POISON = [2, 2]
"""The prompt of the first choice."""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_FIRST_PAUSE", 0.01)


@pytest.fixture
def server() -> Iterator[Completions]:
    with completions() as started:
        yield started


def opened(url: str, **parameters: Any) -> ServerEngine:
    given = {"patience": 20.0, "timeout": 10.0, **parameters}
    return ServerEngine(Perplexity(engine="server", url=url, **given).options())


def defined(request: Request) -> Scored | Chosen:
    if isinstance(request, Scoring):
        tokens = list(request.tokens)
        places = range(len(tokens) - request.scored, len(tokens))
        return Scored(nll=-math.fsum(logprobs(tokens[:place])[tokens[place]] for place in places))
    reply: list[int] = []
    picks, found = [], []
    for step in request.steps:
        values = [logprobs([*request.tokens, *reply])[token] for token in step]
        pick = values.index(max(values))
        if len(step) > 1:
            picks.append(pick)
            found.append(values)
        reply.append(step[pick])
    return Chosen(picks=picks, logprobs=found)


def check(server: Completions, but: int | None = None, **parameters: Any) -> list[str]:
    """All requests are answered right and in order, but for one; why that is refused."""
    engine = opened(server.url, **parameters)
    reasons = []
    for place, (found, request) in enumerate(zip(engine.run(REQUESTS), REQUESTS, strict=True)):
        if place == but:
            assert isinstance(found, Refused)
            reasons.append(found.reason)
        else:
            assert found == defined(request)
    engine.close()
    return reasons


def test_answers_are_in_order(server: Completions) -> None:
    check(server)


def test_a_bounded_number_of_requests_is_in_flight() -> None:
    def slow(handler: Handler, body: Body, attempt: int) -> bool:
        time.sleep(0.02)
        return False

    with completions(slow) as server:
        check(server, concurrency=3)
        assert 1 < server.most_in_flight <= 3


def fails_once(handler: Handler, body: Body, attempt: int) -> bool:
    if attempt > 1:
        return False
    kind = len(body["prompt"]) % 4
    if kind == 0:
        handler.reply(500, {"error": "for a moment"})
    elif kind == 1:
        handler.reply(429, {}, Retry_After="0")
    elif kind == 2:
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True
    else:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b'{"choices": [')
        handler.close_connection = True
    return True


def test_what_passes_is_tried_again() -> None:
    with completions(fails_once) as server:
        check(server)
        assert min(server.tries.values()) >= 2


def test_a_slow_answer_is_asked_for_anew() -> None:
    def slow(handler: Handler, body: Body, attempt: int) -> bool:
        if body["prompt"] == POISON and attempt == 1:
            time.sleep(1)
        return False

    with completions(slow) as server:
        check(server, timeout=0.5)
        assert server.tries[str(POISON)] > 1


def test_the_pause_that_a_server_asks_for_is_kept() -> None:
    times: list[float] = []

    def busy(handler: Handler, body: Body, attempt: int) -> bool:
        if body["prompt"] != POISON:
            return False
        times.append(time.monotonic())
        if attempt == 1:
            handler.reply(429, {}, Retry_After="1")
        return attempt == 1

    with completions(busy) as server:
        check(server)
    assert times[1] - times[0] >= 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_the_server_refuses_fails_alone(status: int) -> None:
    def refuse(handler: Handler, body: Body, attempt: int) -> bool:
        if body["prompt"] == POISON:
            handler.reply(status, {"error": {"message": "the text is: SECRET"}})
        return bool(body["prompt"] == POISON)

    with completions(refuse) as server:
        (reason,) = check(server, but=1)
        assert server.tries[str(POISON)] == 1
    assert str(status) in reason
    assert "SECRET" not in reason


def test_a_request_that_breaks_the_server_each_time_fails_alone() -> None:
    def fail(handler: Handler, body: Body, attempt: int) -> bool:
        if body["prompt"] == POISON:
            handler.reply(500, {})
        return bool(body["prompt"] == POISON)

    with completions(fail) as server:
        (reason,) = check(server, but=1)
        assert server.tries[str(POISON)] == 4
        # By itself, too: the server is asked something else before the request is blamed.
        engine = opened(server.url)
        assert isinstance(engine.run([REQUESTS[1]])[0], Refused)
        engine.close()
    assert "status 500, 4 times" in reason


RUBBISH = {
    "no JSON": b"<html>SECRET</html>",
    "empty": b"",
    "another form": b'{"hello": 1}',
    "no choices": b'{"choices": []}',
    "no probabilities": b'{"choices": [{"logprobs": null}]}',
    "not numbers": b'{"choices": [{"logprobs": {"tokens": ["token_id:3"], "token_logprobs": [NaN],'
    b' "top_logprobs": [{"token_id:3": NaN}]}}]}',
    "texts": b'{"choices": [{"logprobs": {"tokens": ["a"], "token_logprobs": [-1.0],'
    b' "top_logprobs": [{"a": -1.0}]}}]}',
    "too few": b'{"choices": [{"logprobs": {"tokens": [], "token_logprobs": [],'
    b' "top_logprobs": []}}]}',
    "others": b'{"choices": [{"logprobs": {"tokens": ["token_id:1"], "token_logprobs": [-1.0],'
    b' "top_logprobs": [{"token_id:1": -1.0}]}}]}',
}


@pytest.mark.parametrize("rubbish", RUBBISH.values(), ids=RUBBISH)
@pytest.mark.parametrize("place", [0, 1])
def test_rubbish_is_refused_with_a_reason(rubbish: bytes, place: int) -> None:
    request = REQUESTS[place]
    # Where the last token is written, the prompt is what stands before it.
    prompt = list(request.tokens[:-1] if isinstance(request, Scoring) else request.tokens)

    def answer(handler: Handler, body: Body, attempt: int) -> bool:
        if body["prompt"] == prompt:
            handler.reply(200, rubbish)
        return bool(body["prompt"] == prompt)

    with completions(answer) as server:
        (reason,) = check(server, but=place)
    assert reason
    assert "SECRET" not in reason


def test_a_server_that_is_down_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(EngineError, match=f"{url} does not answer for 1 s.*ConnectError"):
        opened(url, patience=1.0)


def test_a_server_that_goes_down_ends_the_run() -> None:
    def vanish(handler: Handler, body: Body, attempt: int) -> bool:
        if body["prompt"] in ([0, 1], [0]):
            return False
        handler.reply(503, {})
        return True

    with completions(vanish) as server:
        engine = opened(server.url, patience=1.0)
        with pytest.raises(EngineError, match=r"does not answer for 1 s \(status 503\)"):
            engine.run(REQUESTS)
        engine.close()


@pytest.mark.parametrize(("status", "advice"), [(401, "api_key_env"), (404, "/v1"), (302, "url")])
def test_what_is_wrong_for_all_is_an_error_at_once(status: int, advice: str) -> None:
    def refuse(handler: Handler, body: Body, attempt: int) -> bool:
        handler.reply(status, {}, Location="http://127.0.0.1:9/")
        return True

    with completions(refuse) as server, pytest.raises(EngineError, match=advice):
        opened(server.url)


def test_what_a_server_lacks_is_said() -> None:
    with completions(vllm=False) as server:
        engine = opened(server.url)
        assert engine.run([REQUESTS[0]]) == [defined(REQUESTS[0])]
        with pytest.raises(EngineError, match=r"can't choose .*by their ids"):
            engine.run([REQUESTS[1]])
        engine.close()


def test_the_model_is_the_servers_only_one() -> None:
    with completions(models=2) as server:
        with pytest.raises(EngineError, match="model-0, model-1; `served_model`"):
            opened(server.url)
        check(server, served_model="model-1")


def test_the_key_is_sent_and_nowhere_else(
    server: Completions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINNOW_TEST_KEY", KEY)
    stage = Perplexity(engine="server", url=server.url, api_key_env="WINNOW_TEST_KEY")
    check(server, api_key_env="WINNOW_TEST_KEY")
    assert {sent["Authorization"] for sent in server.headers} == {f"Bearer {KEY}"}
    assert KEY.encode() not in pickle.dumps(stage)
    assert KEY not in repr(stage.options())
    for bad in ("", "one\ntwo"):
        monkeypatch.setenv("WINNOW_TEST_KEY", bad)
        with pytest.raises(EngineError, match="WINNOW_TEST_KEY holds no key"):
            opened(server.url, api_key_env="WINNOW_TEST_KEY")


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    server: Completions, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    check(server)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"engine": "server"}, "url: `engine: server` needs it"),
        ({"engine": "server", "url": "localhost:8000"}, "of a form as http"),
        ({"engine": "server", "url": "http://me:word@host/v1"}, "should hold no key"),
        ({"url": "http://host/v1"}, "url: is for `engine: server`"),
        ({"api_key_env": "KEY"}, "api_key_env: is for `engine: server`"),
        ({"concurrency": 0}, "concurrency: should be more than 0"),
        ({"gpu_memory_utilization": 1.5}, "at most 1"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Perplexity(**given).check()


def test_a_server_needs_no_weights_here(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"bos_token_id": 0}')
    (tmp_path / "tokenizer.json").write_bytes(
        (Path(client.__file__).parents[1] / "data/lm/tokenizer.json").read_bytes()
    )
    Perplexity(engine="server", url="http://host/v1", model=str(tmp_path)).check()
    with pytest.raises(ValueError, match="safetensors"):
        Perplexity(model=str(tmp_path)).check()


def test_the_fingerprint_says_what_rates_and_not_where() -> None:
    one = Perplexity(engine="server", url="http://one/v1", served_model="m")
    other = Perplexity(
        engine="server", url="http://two/v1", served_model="m", concurrency=3, api_key_env="KEY"
    )
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(one) != fingerprint(Perplexity(engine="server", url="http://one/v1"))
    assert fingerprint(one) != fingerprint(Perplexity())
