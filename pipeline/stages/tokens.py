"""Token counts, by any Hugging Face tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from pipeline.io.tokenizer import bites, load_tokenizer, tokenizer_file
from pipeline.stages.base import File, MapStage


@dataclass(frozen=True, kw_only=True)
class Tokens(MapStage):
    """How many tokens a text has, without special tokens."""

    kind: ClassVar[str] = "tokens"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text",)
    libraries: ClassVar[tuple[str, ...]] = ("tokenizers",)

    tokenizer: File = "shipped"

    def schema(self) -> pa.Schema:
        """n_tokens: integer."""
        return pa.schema([pa.field("n_tokens", pa.int64())])

    def file_of(self, value: str) -> str:
        """The tokenizer.json itself: where it lies, or that it is the shipped one, says nothing."""
        return tokenizer_file(value)

    def check(self) -> None:
        """The tokenizer must load."""
        try:
            load_tokenizer(self.tokenizer)
        except Exception as error:
            raise ValueError(f"tokenizer: {self.tokenizer} can't be loaded: {error}") from error

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Count the tokens of each text."""
        counts = self.count(batch.column("text").to_pylist())
        return pa.record_batch([pa.array(counts, pa.int64())], ["n_tokens"])

    def count(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text."""
        tokenizer = load_tokenizer(self.tokenizer)
        counts: list[int] = []
        for some in bites(texts):
            encodings = tokenizer.encode_batch_fast(list(some), add_special_tokens=False)
            counts += map(len, encodings)
        return counts
