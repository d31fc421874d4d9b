"""Ways of scoring with a language model on the processor, beside each other."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.corpus import mixed_texts, sample_texts
from benchmarks.runs import ROOT
from benchmarks.tables import show
from pipeline.io.tokenizer import SHIPPED as TOKENIZER
from pipeline.io.tokenizer import load_tokenizer
from raters.perplexity import encode, windows
from raters.perplexity_model import SHIPPED, read_facts

TOKENS = 150_000
VLLM = ROOT / ".venv-vllm" / "bin" / "python"
HEAD = (
    *("model", "dtype", "way", "tokens/s", "per processor second", "times padded"),
    *("peak MB", "mean away", "99 % within"),
)


def perplexity(folder: Path, scale: float) -> None:
    """Packed documents, padded batches of eight and vLLM's prompt_logprobs, one core each."""
    texts = mixed_texts()
    source = "the sample" if texts == sample_texts() else "the mixed corpus"
    small = write_qwen2(folder / "qwen2")
    for name, model in (("shipped, 1.4 M", SHIPPED), ("Qwen2-shaped, 16 M", small)):
        path, count = _write_windows(folder / "windows.jsonl", texts, model, TOKENS * scale)
        show(f"{count:,} documents of {source}, {name}", HEAD, _rows(name, model, path))
    if not VLLM.exists():
        print(f"\nvLLM is left out: there is no {VLLM.relative_to(ROOT)}.", flush=True)


def write_qwen2(folder: Path) -> Path:
    """A model of random weights with the tokenizer that comes with Winnow."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    size = load_tokenizer(str(TOKENIZER)).get_vocab_size()
    config = Qwen2Config(
        vocab_size=size, hidden_size=384, intermediate_size=1024, num_hidden_layers=8,
        num_attention_heads=6, num_key_value_heads=2, max_position_embeddings=2048,
        tie_word_embeddings=True, bos_token_id=0,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes(TOKENIZER.read_bytes())
    return folder


def _write_windows(
    path: Path, texts: Sequence[str], model: Path, tokens: float
) -> tuple[Path, int]:
    """The first windows of documents drawn by a fixed step, until there are so many tokens."""
    facts, order = read_facts(model), 7919
    assert len(texts) % order
    total = count = 0
    with path.open("w", encoding="utf-8") as file:
        while total < tokens and count < len(texts):
            text = texts[count * order % len(texts)]
            count += 1
            for window in windows(encode(text, str(model), facts.window - 1).tokens, facts):
                total += len(window.tokens)
                told = {"tokens": list(window.tokens), "scored": window.scored}
                file.write(json.dumps(told) + "\n")
    return path, count


@dataclass(frozen=True)
class _Way:
    name: str
    python: str


def _rows(name: str, model: Path, path: Path) -> Iterator[list[object]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    scored = [json.loads(line)["scored"] for line in lines]
    exact: Sequence[float] = ()
    ways = [_Way("padded", sys.executable), _Way("packed", sys.executable)]
    if VLLM.exists():
        ways.append(_Way("vllm", str(VLLM)))
    for dtype in ("float32", "bfloat16"):
        usual: Mapping[str, Any] = {}
        for way in ways:
            done = _run(way, model, dtype, path)
            usual, exact = usual or done, exact or done["nll"]
            away = sorted(
                abs(one - other) / count
                for one, other, count in zip(done["nll"], exact, scored, strict=True)
                if count >= 32
            )
            # vLLM's engine is a process of its own, which is not looked at.
            own = way.name != "vllm"
            yield [
                *(name, dtype, way.name, int(sum(scored) / done["wall"])),
                int(sum(scored) / done["processor"]) if own else "-",
                f"{usual['wall'] / done['wall']:.2f}",
                int(done["mb"]) if own else "-",
                f"{sum(away) / len(away):.1e}",
                f"{away[int(0.99 * (len(away) - 1))]:.1e}",
            ]


def _run(way: _Way, model: Path, dtype: str, path: Path) -> dict[str, Any]:
    words = ["benchmarks/scorers.py", way.name, str(model), dtype, str(path), "1"]
    one_core = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))]
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR", "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",  # a window, and the token that vLLM samples
    }  # fmt: skip
    run = subprocess.run(
        [*one_core, way.python, *words],
        stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=environment,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found
