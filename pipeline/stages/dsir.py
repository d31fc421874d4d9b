"""Importance weights: how much likelier a text is in a target set than in the raw corpus."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.io.text_sets import read_texts, text_files
from pipeline.stages.base import File, MapStage, RelationalStage, Stage
from pipeline.stages.texts import utf8
from schemas.errors import WinnowError

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_BATCH = 8 << 20
"""So many characters of a set of texts are counted at once."""


@dataclass(frozen=True, kw_only=True)
class ImportanceWeights(Stage):
    """What both ways of fitting the raw distribution have in common.

    DSIR (Xie et al. 2023, 2302.03169): a text is the bag of its hashed n-grams of 1 to `ngram`
    words; its log weight is the sum, over these, of the log ratio of their buckets' shares in the
    target and in the raw texts. Each bucket counts `smoothing` n-grams more than it has, where the
    authors' code adds 1e-8 to every share; their words come from NLTK and include punctuation.
    """

    kind: ClassVar[str] = "dsir"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text",)

    target: File | tuple[File, ...]
    """Texts that the corpus is to be like: JSONL, Parquet, text, in any source format."""
    raw: File | tuple[File, ...] | None = None
    """Texts that stand for the corpus; None: the corpus itself."""
    field: str = "text"
    """The key under which records of `target` and `raw` keep their text."""
    buckets: int = 10_000
    ngram: int = 2
    smoothing: float = 1.0

    def versions(self) -> dict[str, str]:
        """Texts are folded by Python's Unicode tables."""
        return {**super().versions(), "unicode": unicodedata.unidata_version}

    @classmethod
    def suited(cls, parameters: Mapping[str, object]) -> type[Stage]:
        """With `raw` each text is weighed by itself, else all of them together."""
        return Dsir if parameters.get("raw") is None else DsirAgainst

    def check(self) -> None:
        """Refuse numbers out of range and sets without a file."""
        if not 2 <= self.buckets <= 1 << 24:
            raise ValueError(f"buckets: should be from 2 to {1 << 24:,}, not {self.buckets}")
        if not 1 <= self.ngram <= 16:
            raise ValueError(f"ngram: should be from 1 to 16, not {self.ngram}")
        if not (0 < self.smoothing < float("inf")):
            raise ValueError(f"smoothing: should be above 0, not {self.smoothing:g}")
        for name, given in (("target", self.target), ("raw", self.raw)):
            try:
                text_files(_paths(given))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None

    def columns(self) -> pa.Schema:
        """dsir_log_weight, the same by n-gram, and the words counted; null of a text without."""
        return pa.schema(
            [
                pa.field("dsir_log_weight", pa.float64()),
                pa.field("dsir_log_weight_per_ngram", pa.float64()),
                pa.field("dsir_words", pa.int64()),
            ]
        )

    def count(self, texts: pa.Array, totals: Counts) -> None:
        """Add the texts' n-grams to `totals`."""
        from pipeline.text.ngrams import count_ngrams

        count_ngrams(*utf8(texts), self.ngram, totals)

    def weights(self, raw: Counts) -> Floats:
        """The log ratio of each bucket, given the n-grams of the raw texts by bucket."""
        target = _counts(_paths(self.target), self.field, self.ngram, self.buckets)
        shares = []
        for totals in (target, raw):
            smoothed = totals + self.smoothing
            shares.append(np.log(smoothed) - np.log(totals.sum() + self.smoothing * self.buckets))
        return np.asarray(shares[0] - shares[1])

    def weigh(self, texts: pa.Array, weights: Floats) -> list[pa.Array]:
        """The arrays of `columns` and the status of each text."""
        from pipeline.text.ngrams import ngrams_of, weigh_ngrams

        sums, words = weigh_ngrams(*utf8(texts), self.ngram, weights)
        none = words == 0
        grams = np.maximum(ngrams_of(words, self.ngram), 1)
        statuses = pa.array(np.where(none, "empty", "ok").astype(object), pa.string())
        found = [pa.array(sums, mask=none), pa.array(sums / grams, mask=none)]
        return [*found, pa.array(words), statuses]


@dataclass(frozen=True, kw_only=True)
class DsirAgainst(ImportanceWeights, MapStage):
    """Importance weights against `raw`: a document's weight is its own, whatever is added."""

    seconds: ClassVar[float] = 900
    """The first batch of a process waits until both sets are counted."""

    def schema(self) -> pa.Schema:
        """As `columns` has them."""
        return self.columns()

    def load(self) -> None:
        """Count both sets."""
        self._fitted()

    def _fitted(self) -> Floats:
        return self.weights(_counts(_paths(self.raw), self.field, self.ngram, self.buckets))

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Weigh each text."""
        arrays = self.weigh(batch.column("text"), self._fitted())
        return pa.RecordBatch.from_arrays(arrays, [*self.columns().names, "status"])


@dataclass(frozen=True, kw_only=True)
class Dsir(ImportanceWeights, RelationalStage):
    """Importance weights against all documents that `where` admits: one more moves all weights."""

    @property
    def status_column(self) -> str:
        """Named as that of a map stage."""
        return f"{self.kind}_status"

    def schema(self) -> pa.Schema:
        """As `columns` has them, and the status."""
        return self.columns().append(pa.field(self.status_column, pa.string()))


def _paths(given: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else given or ()


@lru_cache(maxsize=4)
def _counts(paths: tuple[str, ...], field: str, ngram: int, buckets: int) -> Counts:
    """The n-grams of a set of texts by bucket."""
    from pipeline.text.ngrams import count_ngrams

    totals = np.zeros(buckets, np.int64)
    for texts in _batches(read_texts(paths, field)):
        count_ngrams(*utf8(pa.array(texts, pa.large_string())), ngram, totals)
    if not totals.any():
        raise WinnowError(f"{', '.join(paths)} has no word")
    return totals


def _batches(texts: Iterator[str]) -> Iterator[Sequence[str]]:
    held: list[str] = []
    size = 0
    for text in texts:
        held.append(text)
        size += len(text)
        if size >= _BATCH:
            yield held
            held, size = [], 0
    if held:
        yield held
