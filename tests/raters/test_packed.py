"""Documents packed in a row against plain forward passes of each alone, in many kinds of model."""

import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from support import ROOT
from support.models import SPECIAL, WINDOW, write_model

from raters.base import Choosing, Chosen, Completion, EngineError, Refused, Request, Scored, Scoring
from raters.engines.options import EngineName
from raters.engines.packed import Form, PackedEngine, Piece, passes
from raters.perplexity import Perplexity

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

SIZES = {
    "vocab_size": 257, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": WINDOW,
    "initializer_range": 0.3, "bos_token_id": 0,
}  # fmt: skip
ENGINES: tuple[EngineName, ...] = ("torch", "transformers")
HOSTILE = (
    "\x00\x7f",
    "\ufeff\u202e\u2066 \u0430\u0301\u0301",
    "\U0010ffff\ufffe",
    "👩‍👩‍👧‍👦" * 3,
    " \n\t ",
)
LENGTHS = (5, 2, WINDOW, 33, WINDOW - 1, 12, 3, 2, 50, 17)
STEPS = [[9], [3, 4, 5], [1], [7, 8, 9, 10], [2], [2], [1, 2], [4]]
"""Forced tokens before, between (one, two) and behind three decisions."""


def made(kind: str, **more: object) -> "PreTrainedConfig":
    import transformers

    config = getattr(transformers, f"{kind}Config")
    own = {"GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": WINDOW}}
    found: PreTrainedConfig = config(**{**SIZES, **own.get(kind, {}), **more})
    return found


PACKED: dict[str, dict[str, object]] = {
    "Qwen2": {},
    "Qwen2 with a window": {
        "use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1,
    },
    "Llama": {},
    "Mistral with a window": {"sliding_window": 16},
    "GPT2": {},
    "GPTNeoX": {},
    "Gemma3Text with a window": {"head_dim": 8, "sliding_window": 16},
    "Mixtral": {"num_local_experts": 4, "sliding_window": None},
}  # fmt: skip
REFUSED: dict[str, tuple[dict[str, object], str, str]] = {
    "Gemma2": ({"head_dim": 8}, "softcap", "are capped"),
    "GptOss": ({"head_dim": 8, "num_local_experts": 4}, "s_aux", "has sinks"),
    "Bloom": ({}, "can't be replaced", "has ALiBi"),
    "GPTNeo": ({"attention_types": [[["global", "local"], 1]]}, "winnow_packed", "be replaced"),
    "Granite": ({"logits_scaling": 8.0}, "away from a plain forward pass", "scales logits"),
    "Llama": ({"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
              "positions are dynamic", "positions are dynamic"),
    "Lfm2": ({"layer_types": ["conv", "full_attention"]}, "layers of conv", "layers of conv"),
}  # fmt: skip
"""What the model has besides, why it is refused once it is loaded, and why before."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


def written(length: int, seed: int = 1) -> list[int]:
    draw = random.Random(f"{seed} {length}")
    return [0, *(draw.randrange(257) for _ in range(length - 1))]


def scorings(seed: int = 1) -> list[Scoring]:
    draw = random.Random(seed)
    return [
        Scoring(tokens=written(length, seed), scored=draw.randint(1, length - 1))
        for length in LENGTHS
    ]


def choosings() -> list[Choosing]:
    return [
        Choosing(tokens=written(length, 2), steps=STEPS)
        for length in (5, 30, 1, WINDOW - len(STEPS), 20)
    ]


class Plain:
    """One forward pass a request and decision, by nothing but transformers."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForCausalLM

        self._model = AutoModelForCausalLM.from_pretrained(
            folder, attn_implementation="eager"
        ).eval()

    def likely(self, tokens: Sequence[int]) -> "torch.Tensor":
        import torch

        with torch.inference_mode():
            return torch.log_softmax(self._model(torch.tensor([tokens])).logits[0].double(), -1)

    def nll(self, request: Scoring) -> float:
        likely, count = self.likely(request.tokens), len(request.tokens)
        places = range(count - request.scored, count)
        return -sum(float(likely[place - 1, request.tokens[place]]) for place in places)

    def chosen(self, request: Choosing) -> tuple[list[int], list[list[float]]]:
        tokens, picks, told = list(request.tokens), [], []
        for step in request.steps:
            last = self.likely(tokens)[-1]
            logprobs = [float(last[token]) for token in step]
            pick = logprobs.index(max(logprobs))
            tokens.append(step[pick])
            if len(step) > 1:
                picks.append(pick)
                told.append(logprobs)
        return picks, told


def values(done: Sequence[Completion]) -> list[float]:
    assert all(isinstance(one, Scored) for one in done)
    return [one.nll for one in done if isinstance(one, Scored)]


def check(folder: Path, budget: int) -> None:
    """Both kinds of request, mixed, against the plain loop."""
    plain, scored, chosen = Plain(folder), scorings(), choosings()
    mixed: list[Request] = [*scored[:4], *chosen, *scored[4:]]
    done = PackedEngine(str(folder), device="cpu", tokens_per_batch=budget).run(mixed)
    for request, one in zip(mixed, done, strict=True):
        if isinstance(request, Scoring):
            assert isinstance(one, Scored)
            assert one.nll / request.scored == pytest.approx(
                plain.nll(request) / request.scored, abs=1e-4
            )
            continue
        assert isinstance(one, Chosen)
        picks, told = plain.chosen(request)
        assert one.picks == picks
        for some, expected in zip(one.logprobs, told, strict=True):
            assert list(some) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", PACKED)
def test_many_kinds_of_model_answer_as_plain_forward_passes(tmp_path: Path, name: str) -> None:
    write_model(tmp_path, made(name.partition(" ")[0], **PACKED[name]))
    Perplexity(model=str(tmp_path), engine="torch").check()
    check(tmp_path, 100)


@pytest.mark.parametrize("name", ["Qwen2", "GPT2", "Mistral with a window"])
@pytest.mark.parametrize("budget", [1, 16, 40])
def test_requests_longer_than_a_batch_are_read_in_pieces(
    tmp_path: Path, name: str, budget: int
) -> None:
    write_model(tmp_path, made(name.partition(" ")[0], **PACKED[name]))
    check(tmp_path, budget)


@pytest.mark.parametrize("kind", REFUSED)
def test_a_model_that_cannot_be_packed_is_refused(tmp_path: Path, kind: str) -> None:
    more, reason, before = REFUSED[kind]
    write_model(tmp_path, made(kind, **more))
    with pytest.raises(EngineError, match=f"{reason}.*`engine: transformers` runs it"):
        PackedEngine(str(tmp_path), device="cpu")
    with pytest.raises(ValueError, match=f"^model: .*{before}.*`engine: transformers` runs it"):
        Perplexity(model=str(tmp_path), engine="torch").check()
    Perplexity(model=str(tmp_path), engine="transformers").check()


def test_what_stands_beside_changes_no_bit(model: Path) -> None:
    engine = PackedEngine(str(model), device="cpu")
    requests, others = scorings(), scorings(seed=9)
    alone = values(engine.run(requests))
    for place in range(len(requests)):
        beside = [*others[:place], requests[place], *others[place + 1 :]]
        beside = [
            Scoring(tokens=some.tokens, scored=own.scored)
            for some, own in zip(beside, requests, strict=True)
        ]
        assert values(engine.run(beside))[place] == alone[place]


def test_a_neighbour_that_could_be_seen_would_be_noticed(model: Path) -> None:
    """Otherwise the comparisons above would not notice that documents see each other."""
    plain, one, other = Plain(model), written(20, 1), written(20, 2)
    alone = plain.nll(Scoring(tokens=other, scored=19))
    behind = plain.nll(Scoring(tokens=[*one, *other], scored=19))
    assert abs(alone - behind) / 19 > 0.01


def test_a_list_gives_the_same_bytes_again_and_order_moves_with_the_requests(model: Path) -> None:
    engine = PackedEngine(str(model), device="cpu")
    requests: list[Request] = [*scorings(), *choosings()]
    first, again = engine.run(requests), PackedEngine(str(model), device="cpu").run(requests)
    assert first == again
    order = random.Random(4).sample(range(len(requests)), len(requests))
    moved = engine.run([requests[place] for place in order])
    for place, one in zip(order, moved, strict=True):
        own = first[place]
        assert type(one) is type(own)
        if isinstance(one, Scored) and isinstance(own, Scored):
            assert one.nll == pytest.approx(own.nll, abs=1e-3)
        if isinstance(one, Chosen) and isinstance(own, Chosen):
            assert one.picks == own.picks


def test_forms_of_different_shape_are_decided_in_one_call(model: Path) -> None:
    plain = Plain(model)
    steps = [[[1, 2, 3]], STEPS, [[4, 5], [6, 7, 8, 9]], [[4, 5, 6], [7], [1, 2]]]
    requests = [
        Choosing(tokens=written(length, 5), steps=some) for some in steps for length in (3, 9)
    ]
    for request, one in zip(
        requests, PackedEngine(str(model), device="cpu").run(requests), strict=True
    ):
        assert isinstance(one, Chosen)
        assert one.picks == plain.chosen(request)[0]
        assert [len(some) for some in one.logprobs] == [
            len(step) for step in request.steps if len(step) > 1
        ]


def test_groups_that_exceed_the_memory_are_cut(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import raters.engines.packed as module

    requests = choosings()
    whole = PackedEngine(str(model), device="cpu").run(requests)
    monkeypatch.setattr(module, "_MEMORY", {"cpu": 1})
    cut = PackedEngine(str(model), device="cpu").run(requests)
    for one, other in zip(whole, cut, strict=True):
        assert isinstance(one, Chosen)
        assert isinstance(other, Chosen)
        assert one.picks == other.picks


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        ([0] * (WINDOW + 1), f"{WINDOW + 1} tokens, and the model reads {WINDOW}"),
        ([0, 257], "does not know"),
        ([-1, 3], "does not know"),
    ],
)
def test_what_the_model_cannot_read_is_refused_alone(
    model: Path, tokens: list[int], reason: str
) -> None:
    engine = PackedEngine(str(model), device="cpu")
    fine = Scoring(tokens=[0, 1, 2], scored=2)
    before, bad, after = engine.run([fine, Scoring(tokens=tokens, scored=1), fine])
    assert isinstance(bad, Refused)
    assert reason in bad.reason
    assert before == after
    assert isinstance(before, Scored)
    worse = engine.run([Choosing(tokens=[0], steps=[[1, 300]])])[0]
    assert isinstance(worse, Refused)


def test_a_model_that_gives_no_number_refuses(model: Path) -> None:
    import torch

    engine = PackedEngine(str(model), device="cpu")
    with torch.no_grad():
        next(iter(engine._model._model.parameters())).fill_(float("nan"))
    done = engine.run([scorings()[0], choosings()[0]])
    assert [type(one) for one in done] == [Refused, Refused]


def test_passes_hold_every_token_once_within_the_budget() -> None:
    found = list(passes([3, 4, 25, 2, 10, 1], 10))
    assert [sum(piece.end - piece.start for piece in some) for some in found] == [
        *(7, 10, 10, 5),
        *(2, 10, 1),
    ]
    assert found[1:4] == [[Piece(2, 0, 10)], [Piece(2, 10, 20)], [Piece(2, 20, 25)]]


def test_a_form_is_prompt_decisions_and_what_stands_between() -> None:
    form = Form.of(Choosing(tokens=[5], steps=STEPS))
    assert form.prompt == [5, 9]
    assert form.choices == [[3, 4, 5], [7, 8, 9, 10], [1, 2]]
    assert (form.between, form.shape, form.size) == ([[1], [2, 2]], (1, 2), 7)


def test_hostile_texts_are_rated_as_by_the_exact_engine(model: Path) -> None:
    scripts = "".join(
        chr(start + 5 * step) for start in range(0x400, 0x3000, 0x80) for step in (4, 9)
    )
    texts = [*HOSTILE, "", scripts, f"{SPECIAL} {SPECIAL}", "e" * 1000, "x"]
    batch = pa.record_batch([pa.array(texts, pa.string())], ["text"])
    packed, exact = (
        Perplexity(engine=engine, model=str(model)).apply(batch).to_pydict() for engine in ENGINES
    )
    assert packed["status"] == exact["status"]
    assert packed["status"].count("empty") == 1
    for name in ("nll_per_token", "nll_per_byte"):
        for one, other in zip(packed[name], exact[name], strict=True):
            assert one == pytest.approx(other, abs=1e-4)


def test_a_text_of_a_hundred_thousand_tokens_is_rated(model: Path) -> None:
    text = "".join(random.Random(6).choices("abcde \n", k=100_000))
    batch = pa.record_batch([pa.array([text])], ["text"])
    (row,) = Perplexity(engine="torch", model=str(model)).apply(batch).to_pylist()
    assert (row["status"], row["n_scored_tokens"]) == ("ok", 100_000)


MEMORY = """
import sys
from pathlib import Path
from raters.base import Scored, Scoring
from raters.engines.packed import PackedEngine
def peak():  # ru_maxrss would be that of the process that started this one
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
engine = PackedEngine(sys.argv[1], device="cpu")
requests = [Scoring(tokens=[0] + [7] * 100_000, scored=100_000)]
requests += [Scoring(tokens=[0] + [7] * 2_000, scored=2_000)] * 10
engine.run([Scoring(tokens=[0, 1], scored=1)])
before = peak()
done = engine.run(requests)
assert all(isinstance(one, Scored) for one in done), done
print(peak() - before)
"""


def test_neither_logits_nor_scores_of_attention_are_ever_whole(tmp_path: Path) -> None:
    """Those of the one request of 100,000 tokens would be 3 GB, its attention scores 40 GB."""
    config = made(
        "Qwen2", vocab_size=8192, max_position_embeddings=2**17, num_hidden_layers=1,
        num_attention_heads=1, num_key_value_heads=1,
    )  # fmt: skip
    write_model(tmp_path, config)
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path)],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert int(run.stdout) < 500_000
