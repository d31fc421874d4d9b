"""What a card does a second against what it could do: perplexity and ratings of documents.

Utilisation = (2 x (parameters that are no embedding, and the head where logits are made) x tokens
+ causal attention) / seconds, over a bfloat16 product of 8192 x 8192 matrices measured in the same
run. Seconds leave out loading and include tokenization.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.corpus import endless_texts
from benchmarks.tables import show
from pipeline.io.tokenizer import SHIPPED as TOKENIZER
from pipeline.io.tokenizer import load_tokenizer
from raters.base import Choosing, Chosen, Completion, Scored, Scoring

if TYPE_CHECKING:
    import torch
    from transformers import Qwen2Config

QWEN2_5_1_5B: Mapping[str, Any] = {
    "vocab_size": 151936, "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28,
    "num_attention_heads": 12, "num_key_value_heads": 2,
}  # fmt: skip
SMALL: Mapping[str, Any] = {
    "vocab_size": 32768, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip
TOKENS = 4_000_000
PADDED, WINDOW = 8, 2048
FRAME, TEXT, REPLY = 150, 1894, 29
"""DataMan's: tokens before and behind the text, of the text at most, and of the reply."""
LETTERS, DIGITS, NEWLINE = range(300, 315), range(400, 405), 500
HEAD = (
    *("way", "tokens/s", "documents/s", "utilisation", "peak MB", "card hours per 10^9 documents"),
    "seconds",
)
Ways = Mapping[str, Callable[[Sequence[Any]], object]]


@dataclass(frozen=True)
class Bench:
    """A model, where it runs, and what the device could do."""

    folder: Path
    device: "torch.device"
    config: "Qwen2Config"
    peak: float
    """Operations a second."""

    def work(self, tokens: Sequence[int], logits: int) -> float:
        """Operations that documents of so many tokens need, of which so many need logits."""
        c = self.config
        wide, count = c.hidden_size, c.num_hidden_layers
        narrow = wide // c.num_attention_heads * c.num_key_value_heads
        layer = 2 * wide * (wide + narrow) + 3 * wide * c.intermediate_size
        body = 2.0 * count * layer * sum(tokens)
        attention = 2.0 * count * wide * sum(length * length for length in tokens)
        return float(body + attention + 2.0 * c.vocab_size * wide * logits)


def accelerator(folder: Path, scale: float) -> None:
    """Perplexity and ratings on a GPU beside plain loops; on the processor by a tiny model."""
    import torch

    bench = _prepare(folder, torch.cuda.is_available() and scale >= 1)
    texts = list(_texts(int(TOKENS * scale * (1 if bench.device.type == "cuda" else 0.02))))
    from benchmarks.card_ways import perplexity_ways, rating_ways

    for title, ways, make, logits in (
        ("Perplexity", perplexity_ways(bench), _windows, None),
        ("Ratings", rating_ways(bench), _prompts, 15),
    ):
        show(f"{title}, {_machine(bench)}", HEAD, _rows(bench, ways, make, texts, logits))
    if find_spec("vllm") is None:
        print("\nvLLM is left out: it is not installed.", flush=True)


def _prepare(folder: Path, full: bool) -> Bench:
    """A model of random weights, saved, and the product of matrices, measured."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    shape = QWEN2_5_1_5B if full else SMALL
    config = Qwen2Config(
        **shape, max_position_embeddings=32768, tie_word_embeddings=True, bos_token_id=0
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    with device:
        model = Qwen2ForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder / "model")
    (folder / "model" / "tokenizer.json").write_bytes(TOKENIZER.read_bytes())
    return Bench(folder / "model", device, config, _measure_peak(device))


def _measure_peak(device: "torch.device") -> float:
    import torch

    size = 8192 if device.type == "cuda" else 1024
    one, other = (torch.randn(size, size, device=device).bfloat16() for _ in range(2))
    best = float("inf")
    for _ in range(20):
        _wait(device)
        start = time.perf_counter()
        one @ other
        _wait(device)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def _wait(device: "torch.device") -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _machine(bench: Bench) -> str:
    import torch

    cuda = bench.device.type == "cuda"
    name = torch.cuda.get_device_name(bench.device) if cuda else "the processor"
    return f"{name}, {bench.peak / 1e12:.1f} TFLOP/s, torch {torch.__version__}"


def _texts(tokens: int) -> Iterator[str]:
    """Documents of the sample, of their own lengths, of about so many tokens."""
    done = 0
    for text in endless_texts():
        if done >= tokens:
            return
        done += len(text) // 4
        yield text


def _encode(texts: Sequence[str], longest: int) -> list[list[int]]:
    tokenizer = load_tokenizer(str(TOKENIZER))
    found = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    return [one.ids if len(one.ids) <= longest else _cut(one.ids, longest) for one in found]


def _cut(tokens: list[int], longest: int) -> list[int]:
    return tokens[: longest // 2] + tokens[-(longest - longest // 2) :]


def _windows(texts: Sequence[str]) -> list[Scoring]:
    """A window of each document."""
    return [
        Scoring(tokens=[0, *tokens], scored=len(tokens))
        for tokens in _encode(texts, WINDOW - 1)
        if tokens
    ]


def _prompts(texts: Sequence[str]) -> list[Choosing]:
    """A frame around each text; a letter and fourteen digits, a new line before each."""
    frame = [1000 + place for place in range(2 * FRAME)]
    steps = [list(LETTERS), *([[NEWLINE], list(DIGITS)] * 14)]
    return [
        Choosing(tokens=[*frame[:FRAME], *tokens, *frame[FRAME:]], steps=steps)
        for tokens in _encode(texts, TEXT)
    ]


def _rows(
    bench: Bench,
    ways: Ways,
    make: Callable[[Sequence[str]], Sequence[Scoring | Choosing]],
    texts: Sequence[str],
    decisions: int | None,
) -> Iterator[list[object]]:
    import torch

    for name, way in ways.items():
        way(make(texts[:16]))
        if bench.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(bench.device)
        _wait(bench.device)
        start = time.perf_counter()
        requests = make(texts)
        way(requests)
        _wait(bench.device)
        seconds = time.perf_counter() - start
        read = [_length(request) for request in requests]
        logits = sum(r.scored for r in requests if isinstance(r, Scoring))
        work = bench.work(read, logits if decisions is None else decisions * len(read))
        yield [
            *(name, int(sum(read) / seconds), round(len(read) / seconds, 1)),
            *(f"{work / seconds / bench.peak:.1%}", _peak_mb(bench)),
            *(int(seconds / len(read) * 1e9 / 3600), round(seconds, 2)),
        ]


def _length(request: Scoring | Choosing) -> int:
    steps = request.steps if isinstance(request, Choosing) else ()
    return len(request.tokens) + max(0, len(steps) - 1)


def _peak_mb(bench: Bench) -> int:
    import resource

    import torch

    if bench.device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(bench.device) / 1e6)
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


def check(done: Sequence[Completion]) -> None:
    """Every request was answered."""
    assert all(isinstance(one, Scored | Chosen) for one in done)


def batches(requests: Sequence[Any], size: int = PADDED) -> Iterator[tuple[Any, ...]]:
    """So many at a time, in their order."""
    waiting = iter(requests)
    while some := tuple(itertools.islice(waiting, size)):
        yield some
