"""The real vLLM, in process and through its own server, against plain forward passes.

It has an environment of its own, `.venv-vllm`, which `make test` makes.
"""

import math
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pytest
from support.models import FIRST, SPECIAL, larger_config, write_model
from support.processes import descendants
from support.vllm_server import WINDOW, VllmServer, engine_of, serving

from raters.base import (
    Choosing,
    Chosen,
    Engine,
    EngineDiedError,
    EngineError,
    Refused,
    Request,
    Scored,
    Scoring,
)
from raters.perplexity import Perplexity

pytest.importorskip("vllm", reason="vLLM is in .venv-vllm, which make test makes")
# What vLLM and its dependencies warn of is theirs.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TOLERANCE = 1e-4
"""Of a log probability in float32, for both ways: measured below 1e-5."""
LETTERS = [1 + byte for byte in b"ABCDEFGHIJKLMNO"]
DIGITS = [1 + byte for byte in b"12345"]
LINE = [1 + ord("\n")]
FORM = [LETTERS, *[LINE, DIGITS] * 14]
SCRIPTS = "".join(chr(start + n) for start in range(0x400, 0x3200, 0x120) for n in range(9))
TEXTS = [
    *("", "a", "some words", f"a{SPECIAL}b", "a" * 900, SCRIPTS, "\x00\ufeff\U0010ffff", "é" * 200),
    *("".join(chr(97 + n * n % 26) for n in range(length)) for length in (2046, 2047, 2048, 5000)),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"), larger_config())


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    with serving(model, tmp_path_factory.mktemp("server") / "log") as started:
        yield started


@pytest.fixture(scope="module", params=["vllm", "server"])
def stage(request: pytest.FixtureRequest, model: Path, server: VllmServer) -> Perplexity:
    """Both at once: the server starts while the engine in process does."""
    if request.param == "vllm":
        return Perplexity(model=str(model), engine="vllm", max_num_batched_tokens=512)
    server.wait()
    return Perplexity(model=str(model), engine="server", url=server.url, patience=5)


@pytest.fixture(scope="module")
def engine(stage: Perplexity) -> Engine:
    return stage.open_engine()


class Row(TypedDict):
    nll_per_token: float
    n_scored_tokens: int
    status: str


def rows(stage: Perplexity, texts: Sequence[str]) -> list[Row]:
    batch = pa.record_batch([pa.array(texts, pa.string())], ["text"])
    found: list[Row] = stage.apply(batch).to_pylist()
    return found


def tokens(length: int) -> list[int]:
    return [FIRST, *(1 + (n * n + length) % 250 for n in range(length - 1))]


def logprobs(model: Path, before: Sequence[int]) -> list[float]:
    import torch
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model).eval()
    with torch.inference_mode():
        logits = loaded(torch.tensor([list(before)])).logits[0, -1]
    found: list[float] = torch.log_softmax(logits.double(), 0).tolist()
    return found


def defined(model: Path, request: Choosing) -> Chosen:
    """A forward pass of all that stands before each decision."""
    reply: list[int] = []
    picks, found = [], []
    for step in request.steps:
        if len(step) > 1:
            values = logprobs(model, [*request.tokens, *reply])
            found.append([values[token] for token in step])
            picks.append(found[-1].index(max(found[-1])))
        reply.append(step[picks[-1] if len(step) > 1 else 0])
    return Chosen(picks=picks, logprobs=found)


def test_perplexity_is_that_of_transformers(model: Path, stage: Perplexity) -> None:
    expected = rows(Perplexity(model=str(model)), TEXTS)
    for one, other in zip(rows(stage, TEXTS), expected, strict=True):
        assert one["status"] == other["status"]
        assert one["n_scored_tokens"] == other["n_scored_tokens"]
        assert one["nll_per_token"] == pytest.approx(other["nll_per_token"], abs=TOLERANCE)
    assert [row["status"] for row in expected] == ["empty", *["ok"] * (len(TEXTS) - 1)]


def test_a_text_of_100000_tokens_is_scored(stage: Perplexity) -> None:
    (row,) = rows(stage, ["0123456789" * 10_000])
    assert (row["status"], row["n_scored_tokens"]) == ("ok", 100_000)


def test_choices_are_those_of_plain_forward_passes(model: Path, engine: Engine) -> None:
    forms = [FORM, [LINE, LETTERS, LINE], [DIGITS, LETTERS, LINE, LINE, DIGITS]]
    asked = [
        Choosing(tokens=tokens(length), steps=form)
        for length, form in zip([1, 2, 17, 300, 1500], [*forms, FORM, FORM], strict=True)
    ]
    scoring = Scoring(tokens=tokens(40), scored=3)
    *found, scored = engine.run([*asked, scoring])
    assert isinstance(scored, Scored)
    for request, one in zip(asked, found, strict=True):
        other = defined(model, request)
        assert isinstance(one, Chosen)
        assert one.complete
        assert one.picks == other.picks
        for here, there in zip(one.logprobs, other.logprobs, strict=True):
            assert here == pytest.approx(there, abs=TOLERANCE)


def test_probabilities_are_the_models_own(model: Path, engine: Engine) -> None:
    """A grammar's mask, or one of tokens, would make those of the allowed ones sum to one."""
    (found,) = engine.run([Choosing(tokens=tokens(9), steps=[DIGITS])])
    assert isinstance(found, Chosen)
    mass = sum(math.exp(value) for value in found.logprobs[0])
    values = logprobs(model, tokens(9))
    assert mass == pytest.approx(sum(math.exp(values[token]) for token in DIGITS), abs=TOLERANCE)
    assert mass < 0.5


def test_a_request_that_fills_the_window_is_answered(engine: Engine) -> None:
    full = Scoring(tokens=tokens(WINDOW), scored=WINDOW - 1)
    reply = Choosing(tokens=tokens(WINDOW - 1), steps=[DIGITS])
    scored, chosen = engine.run([full, reply])
    assert isinstance(scored, Scored)
    assert isinstance(chosen, Chosen)


def test_a_request_that_can_not_be_answered_fails_alone(engine: Engine) -> None:
    good = Scoring(tokens=tokens(5), scored=4)
    bad: list[Request] = [
        Scoring(tokens=tokens(20_000), scored=1),
        Choosing(tokens=tokens(20_000), steps=FORM),
        Scoring(tokens=[FIRST, 8192, 1], scored=2),
        Scoring(tokens=[FIRST, 1, 8192], scored=2),
        Choosing(tokens=[FIRST, 99_999], steps=FORM),
        Choosing(tokens=[FIRST], steps=[[1, 8192]]),
        Choosing(tokens=[FIRST], steps=[[*range(129)]]),
    ]
    (alone,) = engine.run([good])
    found = engine.run(list(chain.from_iterable((one, good) for one in bad)))
    assert isinstance(alone, Scored)
    for refused, answered in zip(found[::2], found[1::2], strict=True):
        assert isinstance(refused, Refused)
        assert refused.reason
        assert isinstance(answered, Scored)
        assert answered.nll == pytest.approx(alone.nll, abs=4 * TOLERANCE)


def test_memory_does_not_grow_with_tokens_times_vocabulary(stage: Perplexity) -> None:
    if stage.engine != "vllm":
        pytest.skip("a server's memory is bounded by how it was started")
    engine = stage.open_engine()
    engine.run([Scoring(tokens=tokens(600), scored=599)])
    before = peak()
    (found,) = engine.run([Scoring(tokens=tokens(16_000), scored=15_999)])
    assert isinstance(found, Scored)
    # The logits of all tokens at once would be 500 MiB, and as much again for each copy.
    assert peak() - before < 200 << 20


def peak() -> int:
    """The most bytes that a process of vLLM's has held."""
    found = 0
    for pid in descendants(os.getpid()):
        status = Path(f"/proc/{pid}/status")
        for line in status.read_text().splitlines() if status.exists() else ():
            if line.startswith("VmHWM:"):
                found = max(found, int(line.split()[1]) << 10)
    return found


def test_an_engine_that_is_killed_is_an_error_and_starts_anew(
    stage: Perplexity, engine: Engine, server: VllmServer
) -> None:
    request = Scoring(tokens=tokens(2000), scored=1999)
    if stage.engine == "vllm":
        served = server.process.pid
        core = engine_of(os.getpid(), but=[served, *descendants(served)])
    else:
        core = engine_of(server.process.pid)
    killer = threading.Timer(0.5, os.kill, (core, signal.SIGKILL))
    killer.start()
    told: tuple[type[Exception], str] = (EngineDiedError, "ended; what it wrote")
    if stage.engine == "server":
        told = (EngineError, "the server at http.* does not")
    with pytest.raises(told[0], match=told[1]):
        engine.run([request] * 3000)
    killer.join()
    if stage.engine == "vllm":
        (found,) = engine.run([Scoring(tokens=tokens(5), scored=4)])
        assert isinstance(found, Scored)
