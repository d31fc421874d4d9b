"""The ways that the accelerator's benchmark compares."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from benchmarks.accelerator import REPLY, Bench, Ways, batches, check
from raters.base import Choosing, Scoring
from raters.engines.packed import PackedEngine

if TYPE_CHECKING:
    import torch

GENERATED = 32
"""Prompts a batch, where replies are written."""


def perplexity_ways(bench: Bench) -> Ways:
    """Winnow, the padded loop, and vLLM where it is installed."""
    ways: dict[str, Callable[[Sequence[Scoring]], object]] = {
        "packed": lambda requests: check(_engine(bench).run(requests)),
        "padded": lambda requests: _score_padded(bench, requests),
    }
    if find_spec("vllm") is not None:
        ways["vllm"] = lambda requests: _ask_vllm(bench, requests, prompt_logprobs=0, max_tokens=1)
    return ways


def rating_ways(bench: Bench) -> Ways:
    """Winnow, batches whose replies are written freely, and vLLM doing the same."""
    ways: dict[str, Callable[[Sequence[Choosing]], object]] = {
        "packed": lambda requests: check(_engine(bench).run(requests)),
        "padded, 29 free tokens": lambda requests: _write_padded(bench, requests),
    }
    if find_spec("vllm") is not None:
        ways["vllm, 29 free tokens"] = lambda requests: _ask_vllm(
            bench, requests, max_tokens=REPLY, ignore_eos=True
        )
    return ways


_loaded: dict[str, Any] = {}


def _once(name: str, load: Callable[[], Any]) -> Any:
    """One model at a time is in memory."""
    if name not in _loaded:
        _loaded.clear()
        _loaded[name] = load()
    return _loaded[name]


def _engine(bench: Bench) -> PackedEngine:
    import torch

    threads = torch.get_num_threads()
    found: PackedEngine = _once(
        "packed",
        lambda: PackedEngine(
            str(bench.folder), "bfloat16", device=bench.device.type, threads=threads
        ),
    )
    return found


def _model(bench: Bench) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    def load() -> Any:
        model = AutoModelForCausalLM.from_pretrained(bench.folder, dtype=torch.bfloat16)
        return model.eval().to(bench.device)

    return _once("padded", load)


def _pad(
    rows: Sequence[Sequence[int]], left: bool, device: "torch.device"
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Tokens and mask of one length."""
    import torch

    longest = max(map(len, rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for place, row in enumerate(rows):
        where = slice(longest - len(row), None) if left else slice(len(row))
        ids[place, where] = torch.tensor(row)
        mask[place, where] = 1
    return ids.to(device), mask.to(device)


def _score_padded(bench: Bench, requests: Sequence[Scoring]) -> None:
    import torch

    model = _model(bench)
    for some in batches(requests):
        ids, mask = _pad([request.tokens for request in some], False, bench.device)
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
            nll = torch.nn.functional.cross_entropy(
                logits.transpose(1, 2), ids[:, 1:], reduction="none"
            )
            (nll * mask[:, 1:]).sum(1).tolist()


def _write_padded(bench: Bench, requests: Sequence[Choosing]) -> None:
    import torch

    model = _model(bench)
    for some in batches(requests, GENERATED):
        ids, mask = _pad([request.tokens for request in some], True, bench.device)
        with torch.inference_mode():
            model.generate(
                input_ids=ids, attention_mask=mask, do_sample=False, pad_token_id=0,
                min_new_tokens=REPLY, max_new_tokens=REPLY,
            ).tolist()  # fmt: skip


def _ask_vllm(bench: Bench, requests: Sequence[Scoring | Choosing], **parameters: Any) -> None:
    from vllm import LLM, SamplingParams

    llm = _once(
        "vllm",
        lambda: LLM(model=str(bench.folder), dtype="bfloat16", max_model_len=4096,
                    skip_tokenizer_init=True, enable_prefix_caching=False,
                    gpu_memory_utilization=0.8),
    )  # fmt: skip
    llm.generate(
        [{"prompt_token_ids": list(request.tokens)} for request in requests],
        SamplingParams(temperature=0.0, detokenize=False, **parameters),
        use_tqdm=False,
    )
