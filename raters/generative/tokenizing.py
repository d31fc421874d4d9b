"""A model's tokenizer, once for the frame of a request and once for documents."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PIECE = 100_000
"""Characters that are encoded at once: an encoding takes a hundred times its text's bytes."""


class MarkerError(ValueError):
    """A document that would hold a marker of the model's, whatever was done against it."""


@dataclass(frozen=True)
class ModelTokenizer:
    """The tokens of a frame, in which markers count, and of documents, in which they never do."""

    frame: "Tokenizer"
    document: "Tokenizer"
    markers: frozenset[int]

    def encode_frame(self, text: str) -> list[int]:
        """Tokens of a text of ours: what reads like a marker is one."""
        return list(self.frame.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, markers included."""
        return str(self.frame.decode(list(tokens), skip_special_tokens=False))

    def encode_document(self, text: str) -> list[int]:
        """Tokens of a text of others, no marker among them; MarkerError where that fails."""
        tokens: list[int] = []
        for piece in _pieces(text):
            tokens += self.document.encode_batch_fast([piece], add_special_tokens=False)[0].ids
        if not self.markers.isdisjoint(tokens):
            raise MarkerError("a marker of the model's is among the document's tokens")
        return tokens


@lru_cache(maxsize=2)
def open_tokenizer(directory: Path) -> ModelTokenizer:
    """The tokenizer of a model; ValueError where documents could write its markers with it."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    try:
        content = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
        content["truncation"] = content["padding"] = None
        frame = Tokenizer.from_str(json.dumps(content))
        added = content.get("added_tokens") or []
        for token in added:
            # White space is text, and means nothing to a chat; every other added token may.
            token["special"] = bool(token["content"].strip())
        document = Tokenizer.from_str(json.dumps(content))
        document.encode_special_tokens = True  # as the text that they are
    except Exception as error:
        raise ValueError(f"model: {directory} has no tokenizer to read: {error}") from error
    texts = {token["content"]: int(token["id"]) for token in added if token["special"]}
    # A character that the vocabulary lacks becomes the unknown token in any text.
    unknown = _unknown(content["model"])
    markers = frozenset(number for text, number in texts.items() if text != unknown)
    made = ModelTokenizer(frame, document, markers)
    for text in texts:
        try:
            made.encode_document(text)
        except MarkerError:
            raise ValueError(
                f"model: {directory}: a document that holds {text!r} would be read as the marker "
                "of this name; its tokenizer can't be used for ratings"
            ) from None
    return made


def _unknown(model: Mapping[str, Any]) -> object:
    place = model.get("unk_id")
    return model.get("unk_token") if place is None else model["vocab"][place][0]


def _pieces(text: str) -> Iterator[str]:
    """A long text cut before spaces, where tokens begin in any case, and anywhere without one."""
    begin = 0
    while len(text) - begin > PIECE:
        end = text.rfind(" ", begin + PIECE // 2, begin + PIECE)
        end = begin + PIECE if end < 0 else end
        yield text[begin:end]
        begin = end
    yield text[begin:]
