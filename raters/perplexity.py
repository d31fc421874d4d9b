"""Perplexity by a causal language model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import ClassVar

import pyarrow as pa

from pipeline.io.tokenizer import load_tokenizer
from pipeline.stages.base import Stage
from raters.base import Completion, Scored, Scoring
from raters.model_stage import ModelStage
from raters.perplexity_model import ModelFacts

COLUMNS = pa.schema(
    [
        pa.field("nll_per_token", pa.float64()),
        pa.field("nll_per_byte", pa.float64()),
        pa.field("perplexity", pa.float64()),
        pa.field("n_scored_tokens", pa.int64()),
        pa.field("perplexity_windows", pa.int64()),
        pa.field("perplexity_truncated", pa.bool_()),
    ]
)
"""What every model's perplexity is told in."""


@dataclass(frozen=True)
class Encoded:
    """A text as a model reads it."""

    tokens: Sequence[int]
    n_bytes: int
    """The UTF-8 bytes that the tokens stand for: those of the whole text, unless it was cut."""
    truncated: bool


@dataclass(frozen=True, kw_only=True)
class Perplexity(ModelStage):
    """How little a language model expects a text: every token scored once, given those before.

    A text longer than the model's window is read in windows that overlap by half. `max_tokens`
    scores only a text's beginning, and says so. Perplexities of different models are never
    compared.
    """

    kind: ClassVar[str] = "perplexity"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text",)
    tokens_column: ClassVar[str] = "n_scored_tokens"

    max_tokens: int | None = None

    @classmethod
    def suited(cls, parameters: Mapping[str, object]) -> type[Stage]:
        """An n-gram model is no language model with an engine: it has a class of its own."""
        if parameters.get("engine") != "ngram":
            return cls
        from raters.ngram.stage import NgramPerplexity

        return NgramPerplexity

    def schema(self) -> pa.Schema:
        """nll_per_token and nll_per_byte in nats, perplexity = exp(nll_per_token), and counts."""
        return COLUMNS

    def check(self) -> None:
        """The packages must be there, and the model must be one that can be scored with."""
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError("max_tokens: should be 1 or more")
        super().check()
        self.facts()
        load_tokenizer(self.directory)

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Score each text."""
        facts = self.facts()
        texts = batch.column("text").to_pylist()
        encoded = [encode(text, self.directory, self.max_tokens) for text in texts]
        asked = [windows(item.tokens, facts) for item in encoded]
        done = iter(self.open_engine().run(list(chain.from_iterable(asked))))
        rows = [
            rate(item, list(islice(done, len(requests))))
            for item, requests in zip(encoded, asked, strict=True)
        ]
        schema = self.schema().append(pa.field("status", pa.string()))
        return pa.RecordBatch.from_pylist(rows, schema)


def encode(text: str, directory: str, max_tokens: int | None) -> Encoded:
    """A text's tokens, no special ones among them, the first `max_tokens` where it has more."""
    encoding = load_tokenizer(directory).encode(text, add_special_tokens=False)
    tokens = encoding.ids
    if max_tokens is None or len(tokens) <= max_tokens:
        return Encoded(tokens, len(text.encode()), False)
    end = encoding.offsets[max_tokens - 1][1]
    return Encoded(tokens[:max_tokens], len(text[:end].encode()), True)


def windows(tokens: Sequence[int], facts: ModelFacts) -> list[Scoring]:
    """Requests that score every token once: the first window whole, later ones their new tokens.

    Each window holds the first token and so many of the text's; the next one begins half a
    window further on.
    """
    room, stride = facts.window - 1, max(1, facts.window // 2)
    found: list[Scoring] = []
    scored = start = 0
    while scored < len(tokens):
        end = min(start + room, len(tokens))
        read = [facts.first, *tokens[start:end]]
        found.append(Scoring(tokens=read, scored=end - scored))
        scored, start = end, start + stride
    return found


def rate(encoded: Encoded, done: Sequence[Completion]) -> dict[str, object]:
    """A row of the columns; null with a status where there is no number."""
    count = len(encoded.tokens)
    counts = {
        "n_scored_tokens": count,
        "perplexity_windows": len(done),
        "perplexity_truncated": encoded.truncated,
    }
    if not done:
        return {**counts, "status": "empty"}
    scored = [completion for completion in done if isinstance(completion, Scored)]
    if len(scored) < len(done):
        return {"status": "invalid_reply"}
    nll = math.fsum(completion.nll for completion in scored)
    mean = nll / count
    try:
        perplexity = math.exp(mean)
    except OverflowError:
        perplexity = math.inf
    if not math.isfinite(perplexity):
        return {"status": "invalid_reply"}
    return {
        **counts,
        "nll_per_token": mean,
        "nll_per_byte": nll / encoded.n_bytes,
        "perplexity": perplexity,
        "status": "ok",
    }
