"""Trains the shipped tokenizer on the bundled sample; run once, its output is committed."""

import contextlib
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SAMPLE = Path(__file__).parent / "sample"
OUT = Path(__file__).parents[1] / "pipeline" / "data" / "tokenizer.json"


def texts() -> Iterator[str]:
    """Every text of the sample but the web pages and the records that are broken on purpose."""
    for name in ("library.jsonl.gz", "languages.jsonl", "messages.jsonl"):
        path = SAMPLE / name
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            for line in file:
                with contextlib.suppress(ValueError):
                    text = json.loads(line).get("text")
                    if isinstance(text, str):
                        yield text
    yield from pq.read_table(SAMPLE / "reference.parquet").column("body").to_pylist()


def main() -> None:
    """A byte-level BPE of 16,384 tokens: no text is without an encoding."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=16_384,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    tokenizer.save(str(OUT), pretty=False)


if __name__ == "__main__":
    main()
