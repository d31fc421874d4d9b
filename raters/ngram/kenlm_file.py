"""KenLM's binary files, through the package kenlm."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from schemas.errors import WinnowError

if TYPE_CHECKING:
    import kenlm

MAGIC = b"mmap lm http://kheafield.com/code"
"""What KenLM's binary files begin with."""
_SPECIAL = frozenset((b"<s>", b"</s>", b"<unk>", b"<UNK>"))


def is_binary(path: str) -> bool:
    """Whether a file is one of KenLM's own form."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


@lru_cache(maxsize=4)
def load_binary(path: str) -> "kenlm.Model":
    """The model, mapped by all processes alike; WinnowError where it can't be loaded."""
    try:
        import kenlm
    except ImportError:
        raise WinnowError(
            f"model: {path} is a binary file of KenLM's and needs the package kenlm: "
            "pip install 'winnow-curation[ngram]', or give the model as an ARPA file"
        ) from None
    try:
        return kenlm.Model(path)
    except (OSError, RuntimeError) as error:
        raise WinnowError(f"model: {path} can't be loaded by KenLM: {error}") from None


def score_sentence(model: "kenlm.Model", words: Sequence[bytes]) -> tuple[float, int]:
    """log10 p of the words and of the sentence's end; how many words the model does not have.

    <s>, </s> and <unk> in a text are such words.
    """
    safe = b" ".join(b"<unk>" if word in _SPECIAL else word for word in words)
    total, unknown = 0.0, 0
    for log10, _, absent in model.full_scores(safe):
        total += log10
        unknown += absent
    return total, unknown
