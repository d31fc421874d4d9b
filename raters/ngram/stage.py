"""Perplexity by an n-gram model, as in CCNet (Wenzek et al. 2020, arXiv 1911.00359)."""

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.tokenizer import tokenizer_file
from pipeline.stages.base import File, MapStage
from pipeline.stages.texts import utf8
from pipeline.text.backoff import Scores
from pipeline.text.ccnet import normalise
from pipeline.text.decoding import frozen
from raters.ngram.kenlm_file import is_binary
from raters.ngram.pieces import load_cutter
from raters.ngram.reader import open_reader
from raters.perplexity import COLUMNS
from schemas.errors import WinnowError

_MANY = 0.5
"""A model that does not know so many of a text's tokens was made for other texts."""


@dataclass(frozen=True, kw_only=True)
class NgramPerplexity(MapStage):
    """How little an n-gram model expects a text: every token and every end of a sentence is scored.

    perplexity = 10 ^ (-sum of log10 p / (tokens + sentences)), CCNet's. Perplexities of different
    models, tokenizers or normalisations are never compared.
    """

    kind: ClassVar[str] = "perplexity"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text",)
    seconds: ClassVar[float] = 600
    tokens_column: ClassVar[str] = "n_scored_tokens"

    engine: Literal["ngram"] = "ngram"
    model: File
    """An ARPA file, or one of KenLM's binary files."""
    tokenizer: File | None = None
    """A model of SentencePiece's (NAME.model) or a tokenizer.json; None: words between spaces."""
    normalisation: Literal["ccnet", "none"] = "ccnet"
    sentences: Literal["lines", "document"] = "lines"
    """What begins with <s> and ends with </s>."""

    def schema(self) -> pa.Schema:
        """As other engines have them; windows are sentences, and unknown tokens are counted."""
        return COLUMNS.append(pa.field("perplexity_unknown_tokens", pa.int64()))

    def file_of(self, value: str) -> str:
        """A tokenizer's file in its directory."""
        return tokenizer_file(value)

    def versions(self) -> dict[str, str]:
        """Of what normalises, of what makes the pieces, and of KenLM where it reads the model."""
        found = {} if self.tokenizer is None else {"tokenizers": version("tokenizers")}
        if self.normalisation == "ccnet":
            found["unicode"] = unicodedata.unidata_version
        try:
            return {**found, **({"kenlm": version("kenlm")} if is_binary(self.model) else {})}
        except PackageNotFoundError:
            return found  # Nothing can be measured here, and `check` says why.

    def check(self) -> None:
        """The tokenizer and the model must load."""
        try:
            if self.tokenizer is not None:
                load_cutter(self.tokenizer)
        except Exception as error:
            raise ValueError(f"tokenizer: {self.tokenizer} can't be loaded: {error}") from error
        try:
            self.load()
        except WinnowError as error:
            told = str(error)
            named = told.startswith(("model:", "tokenizer:"))
            raise ValueError(told if named else f"model: {told}") from None

    def load(self) -> None:
        """Map the model; the first process on a machine reads it."""
        open_reader(self.model, self.tokenizer)

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Score each text."""
        texts = batch.column("text")
        values, offsets = frozen(*utf8(texts))
        by_line = self.sentences == "lines"
        if self.normalisation == "ccnet":
            values, offsets = normalise(values, offsets, by_line)
        if self.tokenizer is not None:
            values, offsets = load_cutter(self.tokenizer).cut(values, offsets, by_line)
        scores = open_reader(self.model, self.tokenizer).score(values, offsets, by_line)
        sizes = pc.binary_length(texts).to_numpy(zero_copy_only=False)
        return pa.RecordBatch.from_arrays(
            _columns(scores, sizes), schema=self.schema().append(pa.field("status", pa.string()))
        )

    def remarks(self, columns: pa.RecordBatch) -> Mapping[str, int]:
        """How many texts the model was not made for."""
        unknown = columns.column("perplexity_unknown_tokens").to_numpy(zero_copy_only=False)
        scored = columns.column("n_scored_tokens").to_numpy(zero_copy_only=False)
        many = np.nan_to_num(unknown) > _MANY * np.nan_to_num(scored)
        count = int(np.count_nonzero(many))
        return {"with more than half of their tokens unknown to the model": count} if count else {}


def _columns(scores: Scores, sizes: npt.NDArray[np.integer]) -> list[pa.Array]:
    """The columns and the status; null where there is no number."""
    n_scored = scores.tokens + scores.sentences
    nll = scores.log10 * -math.log(10)
    per_token = nll / np.maximum(n_scored, 1)
    with np.errstate(over="ignore"):
        perplexity = np.exp(per_token)
    empty, wrong = n_scored == 0, ~np.isfinite(perplexity)
    none = empty | wrong
    status = np.where(wrong, "invalid_reply", np.where(empty, "empty", "ok"))
    return [
        *(pa.array(found, mask=none) for found in (per_token, nll / np.maximum(sizes, 1))),
        pa.array(perplexity, mask=none),
        *(pa.array(counts, mask=wrong) for counts in (n_scored, scores.sentences)),
        pa.array(np.zeros(len(none), np.bool_), mask=wrong),
        pa.array(scores.unknown, mask=wrong),
        pa.array(status.tolist(), pa.string()),
    ]
