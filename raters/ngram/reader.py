"""What scores texts with an n-gram model: our own kernels, or KenLM."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.text.backoff import NgramModel, Scores, find, hash_bytes, score, word_ids
from pipeline.text.decoding import Bytes, Offsets
from raters.ngram.arpa_file import load_arpa
from raters.ngram.kenlm_file import is_binary, load_binary, score_sentence
from raters.ngram.pieces import load_cutter, sentences
from schemas.errors import WinnowError

if TYPE_CHECKING:
    import kenlm


class Reader(Protocol):
    """Scores texts, each the same whatever others it is scored with."""

    def score(self, values: Bytes, offsets: Offsets, by_line: bool) -> Scores:
        """The sums of texts of words between spaces; a line, or a text, is a sentence."""
        ...

    def knows(self, word: str) -> bool:
        """Whether the model has a word."""
        ...


@dataclass(frozen=True)
class _Own:
    model: NgramModel

    def score(self, values: Bytes, offsets: Offsets, by_line: bool) -> Scores:
        model = self.model
        ids, ends = word_ids(values, offsets, by_line, model.words, model.begin, model.end)
        return score(model, ids, ends)

    def knows(self, word: str) -> bool:
        content = np.frombuffer(word.encode(), np.uint8)
        return bool(find(self.model.words, np.uint64(hash_bytes(content, 0, len(content)))) >= 0)


@dataclass(frozen=True)
class _Kenlm:
    model: "kenlm.Model"

    def score(self, values: Bytes, offsets: Offsets, by_line: bool) -> Scores:
        sums = np.zeros(len(offsets) - 1, np.float64)
        counts = np.zeros((3, len(offsets) - 1), np.int64)
        for row, lines in enumerate(sentences(values, offsets, by_line)):
            # KenLM cuts words at ASCII white space, and there alone.
            for words in (line.encode().split() for line in lines):
                if words:
                    log10, unknown = score_sentence(self.model, words)
                    sums[row] += log10
                    counts[:, row] += len(words), unknown, 1
        return Scores(sums, *counts)

    def knows(self, word: str) -> bool:
        return word in self.model


@cache
def open_reader(model: str, tokenizer: str | None) -> Reader:
    """The model in a file, loaded once a process; WinnowError where it or the tokenizer is bad."""
    reader = _Kenlm(load_binary(model)) if is_binary(model) else _Own(load_arpa(model))
    special = ("<s>", "</s>", "<unk>")
    if tokenizer is not None and not any(
        reader.knows(name) for name in load_cutter(tokenizer).names() if name not in special
    ):
        raise WinnowError(
            f"tokenizer: {tokenizer} has no piece that {model} knows; it is not the one that the "
            "model was trained with"
        )
    return reader
