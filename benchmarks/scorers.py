"""One way of scoring some windows with a model, and what it takes; run in a process of its own.

Usage: PYTHON scorers.py packed|padded|vllm MODEL DTYPE WINDOWS.jsonl THREADS; prints JSON.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Window = dict[str, Any]
Scorer = Callable[[Sequence[Window]], list[float]]
BATCH = 8


def packed(model: str, dtype: str, threads: int) -> Scorer:
    """Winnow's `engine: torch`."""
    from raters.base import Scored, Scoring
    from raters.engines.packed import PackedEngine

    engine = PackedEngine(model, dtype, device="cpu", threads=threads)  # type: ignore[arg-type]

    def score(windows: Sequence[Window]) -> list[float]:
        done = engine.run([Scoring(**window) for window in windows])
        assert all(isinstance(one, Scored) for one in done)
        return [one.nll for one in done if isinstance(one, Scored)]

    return score


def padded(model: str, dtype: str, threads: int) -> Scorer:
    """What one writes first: transformers, eight windows at a time, padded to the longest."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype)).eval()

    def score(windows: Sequence[Window]) -> list[float]:
        found: list[float] = []
        for start in range(0, len(windows), BATCH):
            some = windows[start : start + BATCH]
            longest = max(len(window["tokens"]) for window in some)
            ids = torch.zeros(len(some), longest, dtype=torch.long)
            mask, wanted = torch.zeros_like(ids), torch.zeros_like(ids)
            for row, window in enumerate(some):
                length = len(window["tokens"])
                ids[row, :length] = torch.tensor(window["tokens"])
                mask[row, :length] = 1
                wanted[row, length - window["scored"] : length] = 1
            with torch.inference_mode():
                logits = loaded(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
                nll = torch.nn.functional.cross_entropy(
                    logits.transpose(1, 2), ids[:, 1:], reduction="none"
                )
            found += (nll * wanted[:, 1:]).double().sum(1).tolist()
        return found

    return score


def vllm(model: str, dtype: str, threads: int) -> Scorer:
    """vLLM's prompt_logprobs, which sample a token as well."""
    from vllm import LLM, SamplingParams

    loaded = LLM(
        model=model, dtype=dtype, enforce_eager=True, max_model_len=2049, skip_tokenizer_init=True,
        enable_prefix_caching=False, disable_log_stats=True,
    )  # fmt: skip
    parameters = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False)

    def score(windows: Sequence[Window]) -> list[float]:
        prompts = [{"prompt_token_ids": window["tokens"]} for window in windows]
        found = []
        for window, done in zip(
            windows, loaded.generate(prompts, parameters, use_tqdm=False), strict=True
        ):
            told = zip(window["tokens"], done.prompt_logprobs, strict=True)
            scored = list(told)[-window["scored"] :]
            found.append(-sum(likely[token].logprob for token, likely in scored))
        return found

    return score


def main() -> None:
    """Score once to warm up, then all of it."""
    how, model, dtype, path, threads = sys.argv[1:]
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    windows: list[Window] = [json.loads(line) for line in lines]
    ways = {"packed": packed, "padded": padded, "vllm": vllm}
    score = ways[how](model, dtype, int(threads))
    score(windows[:BATCH])
    before = time.perf_counter(), time.process_time()
    nlls = score(windows)
    wall, processor = time.perf_counter() - before[0], time.process_time() - before[1]
    # ru_maxrss would be that of the process that started this one, if that was larger.
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1000
    print(json.dumps({"wall": wall, "processor": processor, "mb": peak, "nll": nlls}))


if __name__ == "__main__":
    main()
