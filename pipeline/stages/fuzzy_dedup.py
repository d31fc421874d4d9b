"""Near duplicates: documents that share most of their word n-grams."""

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pyarrow as pa

from pipeline.stages.base import MapStage, RelationalStage
from pipeline.stages.texts import utf8

if TYPE_CHECKING:
    from pipeline.text.shingles import Shingling

FINEWEB = (14, 8)
"""Bands and rows of FineWeb's deduplication (Penedo et al. 2024, 2406.17557, section 3.4)."""

SEED = 1
"""Of the permutations: the same for all, so that signatures of different runs compare."""
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, kw_only=True)
class BandHashes(MapStage):
    """MinHash signatures of a document's shingles, hashed band by band (Broder 1997)."""

    kind: ClassVar[str] = "band_hashes"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text",)
    seconds: ClassVar[float] = 180
    """The first batch of a process waits for the kernels to be compiled."""

    shingle: Literal["word", "char"]
    ngram: int
    bands: int
    rows: int
    unicode: str = unicodedata.unidata_version
    """By which texts are folded: part of the fingerprint."""

    def schema(self) -> pa.Schema:
        """band_hashes: one 64-bit hash a band; null for a text that has no shingles."""
        return pa.schema([pa.field("band_hashes", pa.list_(pa.int64()))])

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Hash the bands of each text."""
        from pipeline.text.minhash import band_hashes
        from pipeline.text.shingles import Shingling

        shingling = Shingling(self.ngram, self.shingle)
        texts = utf8(batch.column("text"))
        hashes, counts = band_hashes(*texts, shingling, self.bands, self.rows, SEED)
        # A hash tells its band, so that one hash alone names a bucket.
        hashes ^= np.arange(1, self.bands + 1, dtype=np.uint64) * _ODD
        ends = np.arange(len(batch) + 1, dtype=np.int32) * self.bands
        flat = pa.array(hashes.reshape(-1).view(np.int64))
        lists = pa.ListArray.from_arrays(pa.array(ends), flat, mask=pa.array(counts == 0))
        return pa.RecordBatch.from_arrays([lists], schema=self.schema())


@dataclass(frozen=True, kw_only=True)
class FuzzyDedup(RelationalStage):
    """Clusters of documents whose shingles have a Jaccard similarity of `threshold` or more.

    Clusters are stars: the longest document (of equals the one with the smaller id) that is not
    near an earlier centre is a centre, and every other document joins the most similar centre. Each
    pair counts only when its true Jaccard similarity, of sets of 64-bit shingle hashes, is known:
    two members of a cluster have 2 x threshold - 1 or more. `preset: fineweb` takes 14 bands of 8
    rows and believes every candidate, for comparison.
    """

    kind: ClassVar[str] = "fuzzy_dedup"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("id", "n_bytes", "exact_cluster_id")
    defaults: ClassVar[dict[str, str]] = {"cluster_id": "id"}
    constants: ClassVar[dict[str, object]] = {"cluster_size": 1}

    shingle: Literal["word", "char"] = "word"
    ngram: int = 5
    threshold: float = 0.8
    bands: int | None = None
    rows: int | None = None
    preset: Literal["fineweb"] | None = None

    def check(self) -> None:
        """Refuse what can't be: each number in its range, bands with rows, a preset alone."""
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold: should be above 0 and at most 1, not {self.threshold:g}")
        if self.ngram < 1:
            raise ValueError(f"ngram: should be 1 or more, not {self.ngram}")
        if (self.bands is None) != (self.rows is None):
            raise ValueError("bands and rows go together; without them both follow from threshold")
        if self.preset is not None and self.bands is not None:
            raise ValueError("preset has its own bands and rows; leave them out")
        for name in ("bands", "rows"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 1000:
                raise ValueError(f"{name}: should be from 1 to 1000, not {value}")

    @property
    def verified(self) -> bool:
        """Whether candidate pairs are compared before they count."""
        return self.preset is None

    @property
    def shingling(self) -> "Shingling":
        """What is compared."""
        from pipeline.text.shingles import Shingling

        return Shingling(self.ngram, self.shingle)

    def schema(self) -> pa.Schema:
        """duplicate_of: the kept one's id, null if kept; similarity to it; cluster_id and _size."""
        return pa.schema(
            [
                pa.field("duplicate_of", pa.string()),
                pa.field("cluster_id", pa.string()),
                pa.field("cluster_size", pa.int64()),
                pa.field("similarity", pa.float64()),
            ]
        )

    def map_half(self) -> MapStage:
        """The hashes by which candidates are found."""
        from pipeline.text.minhash import bands_and_rows

        if self.preset is not None:
            bands, rows = FINEWEB
        elif self.bands is not None and self.rows is not None:
            bands, rows = self.bands, self.rows
        else:
            bands, rows = bands_and_rows(self.threshold)
        return BandHashes(shingle=self.shingle, ngram=self.ngram, bands=bands, rows=rows)
