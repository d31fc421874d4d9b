"""Replies of a fixed form by the transformers engine, against a forward pass a decision."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.models import WINDOW, write_model

from raters.base import Choosing, Chosen, Refused, Request, Scored, Scoring
from raters.engines.choosing import choose
from raters.engines.transformers import TransformersEngine

PROMPT = [5, 70, 81, 12, 200, 9]
STEPS = [[10, 11, 12], [40], [41], [20, 21, 22, 23, 24], [40], [256, 3]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


def plain(path: Path, prompt: Sequence[int], steps: Sequence[Sequence[int]]) -> Chosen:
    """The definition: a whole forward pass of all that stands before each decision."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(path).eval()
    written, picks, found = list(prompt), [], []
    for step in steps:
        if len(step) > 1:
            with torch.inference_mode():
                logits = model(torch.tensor([written])).logits[0, -1]
            values = torch.log_softmax(logits.double(), 0).tolist()
            logprobs = [values[token] for token in step]
            picks.append(min(k for k, value in enumerate(logprobs) if value == max(logprobs)))
            found.append(logprobs)
            written.append(step[picks[-1]])
        else:
            written.append(step[0])
    return Chosen(picks=picks, logprobs=found)


def agree(one: object, other: Chosen) -> None:
    assert isinstance(one, Chosen)
    assert one.complete
    assert one.picks == other.picks
    for here, there in zip(one.logprobs, other.logprobs, strict=True):
        assert here == pytest.approx(there, abs=1e-4)


def test_decisions_are_those_of_plain_forward_passes(model: Path) -> None:
    prompts = [PROMPT[:n] for n in range(1, 7)] + [[7 * n % 257 for n in range(WINDOW - 6)]]
    requests = [Choosing(tokens=prompt, steps=STEPS) for prompt in prompts]
    done = TransformersEngine(str(model), device="cpu").run(requests)
    for prompt, completion in zip(prompts, done, strict=True):
        agree(completion, plain(model, prompt, STEPS))


def test_what_was_chosen_before_changes_what_comes(model: Path) -> None:
    """Otherwise the comparison above would not notice a lost choice."""
    (one,) = TransformersEngine(str(model)).run([Choosing(tokens=PROMPT, steps=STEPS)])
    other = plain(model, PROMPT, [[STEPS[0][1]], *STEPS[1:]])
    assert isinstance(one, Chosen)
    assert one.picks[0] != 1
    assert one.logprobs[1] != pytest.approx(other.logprobs[0], abs=0.01)


def test_a_form_may_begin_and_end_with_what_is_forced(model: Path) -> None:
    steps = [[7], [8], [1, 2], [9]]
    (found,) = TransformersEngine(str(model)).run([Choosing(tokens=PROMPT, steps=steps)])
    agree(found, plain(model, PROMPT, steps))


def test_a_model_that_caps_its_logits_decides_by_them(tmp_path: Path) -> None:
    from transformers import Gemma2Config

    config = Gemma2Config(
        vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=16, max_position_embeddings=WINDOW,
        sliding_window=8, final_logit_softcapping=0.5, initializer_range=0.5, bos_token_id=0,
    )  # fmt: skip
    write_model(tmp_path, config)
    prompt = [3 * n % 290 for n in range(40)]
    (found,) = TransformersEngine(str(tmp_path)).run([Choosing(tokens=prompt, steps=STEPS)])
    agree(found, plain(tmp_path, prompt, STEPS))


def test_the_last_bit_does_not_depend_on_the_batch(model: Path) -> None:
    engine = TransformersEngine(str(model))
    requests: list[Request] = [
        Choosing(tokens=PROMPT * 4, steps=STEPS),
        Scoring(tokens=PROMPT, scored=3),
        Choosing(tokens=PROMPT[2:], steps=STEPS[2:]),
    ]
    together = engine.run(requests)
    assert isinstance(together[1], Scored)
    assert together == [engine.run([request])[0] for request in requests]
    assert together[::-1] == engine.run(requests[::-1])


def test_of_equals_the_first_is_chosen() -> None:
    import torch

    logits = torch.log_softmax(torch.tensor([0.0, 3.0, 1.0, 3.0, 3.0]).double(), 0)
    steps = [[2, 4, 1, 3], [0, 2]]
    found = choose(Choosing(tokens=[0], steps=steps), lambda tokens: logits)
    assert isinstance(found, Chosen)
    assert found.picks == [1, 1]


def test_a_model_without_numbers_is_no_answer(model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(model, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][:] = math.nan
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    (found,) = TransformersEngine(str(broken)).run([Choosing(tokens=PROMPT, steps=STEPS)])
    assert found == Refused(reason="the model gave no number")
