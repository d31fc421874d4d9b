"""Hugging Face tokenizers as they are used on documents: a special token is text like any other."""

import json
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.io.shipped import shipped

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SHIPPED = shipped("pipeline", "tokenizer.json")
"""The tokenizer that comes with Winnow: a byte-level BPE, trained on the bundled sample."""

BITE = 100_000
"""Characters that are encoded at once."""

_NEVER = -1e6
"""A log probability that any other segmentation of the same characters beats."""


def tokenizer_file(path: str) -> str:
    """The tokenizer.json that a parameter names: `shipped`, a file, or a directory with one."""
    if path == "shipped":
        return str(SHIPPED)
    return os.path.join(path, "tokenizer.json") if os.path.isdir(path) else path


@lru_cache(maxsize=4)
def load_tokenizer(path: str) -> "Tokenizer":
    """The tokenizer with ids of its own, but a special token in a text is text like any other."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    content = json.loads(Path(tokenizer_file(path)).read_text(encoding="utf-8"))
    content["truncation"] = content["padding"] = None
    # It would only add special tokens, and take blanks out of the offsets of tokens.
    content["post_processor"] = None
    _bar_special(content)
    tokenizer = Tokenizer.from_str(json.dumps(content))
    # Taking them out of the vocabulary instead would give later added tokens other ids.
    tokenizer.encode_special_tokens = True
    return tokenizer


def _bar_special(content: dict[str, Any]) -> None:
    """Keep a unigram model from finding special tokens by itself: they are in its vocabulary."""
    model = content["model"]
    special = {t["content"] for t in content.get("added_tokens") or () if t.get("special")}
    if model.get("type") == "Unigram":
        model["vocab"] = [
            [piece, _NEVER if piece in special and place != model.get("unk_id") else score]
            for place, (piece, score) in enumerate(model["vocab"])
        ]


def bites(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Runs of texts of a bounded length: an encoding takes a hundred times its text's bytes."""
    begin = held = 0
    for end, text in enumerate(texts, 1):
        held += len(text)
        if held >= BITE:
            yield texts[begin:end]
            begin, held = end, 0
    if begin < len(texts):
        yield texts[begin:]
