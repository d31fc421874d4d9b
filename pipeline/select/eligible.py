"""The rows of a batch that a selection may take, and what became of the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.select.draws import Floats
from pipeline.select.strata import Codes

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Eligible:
    """Rows of a batch that pass every rule."""

    rows: Integers
    """Their numbers in the batch."""
    ids: pa.Array
    codes: Codes
    strata: Sequence[str]
    """Those of the whole batch; `codes` are places in it."""
    scores: Floats
    cost: Integers
    n_tokens: Integers
    n_bytes: Integers
    clusters: pa.Array | None

    def __len__(self) -> int:
        """How many."""
        return len(self.rows)

    def take(self, kept: npt.NDArray[np.intp]) -> "Eligible":
        """Some of them."""
        chosen = pa.array(kept, pa.int64())
        return replace(
            self,
            rows=self.rows[kept],
            ids=self.ids.take(chosen),
            codes=self.codes[kept],
            scores=self.scores[kept],
            cost=self.cost[kept],
            n_tokens=self.n_tokens[kept],
            n_bytes=self.n_bytes[kept],
            clusters=None if self.clusters is None else self.clusters.take(chosen),
        )

    def without(self, dropped: Integers) -> "Eligible":
        """Those whose number is not among the dropped ones."""
        if not len(dropped):
            return self
        return self.take(np.flatnonzero(~np.isin(self.rows, dropped)))


@dataclass(frozen=True)
class Tally:
    """Documents and tokens that each rule left; `+` merges, in any order."""

    rules: tuple[tuple[str, int, int, int], ...] = ()
    """Rule, documents and tokens left, and documents that no other rule of `where` rejects."""
    documents: int = 0
    corpus: Mapping[str, int] = field(default_factory=dict)
    """Cost of all documents by stratum, where quotas are in proportion to it."""

    def __add__(self, other: "Tally") -> "Tally":
        corpus = dict(self.corpus)
        for stratum, cost in other.corpus.items():
            corpus[stratum] = corpus.get(stratum, 0) + cost
        rules = self.rules or other.rules
        if self.rules and other.rules:
            rules = tuple(
                (a[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])
                for a, b in zip(self.rules, other.rules, strict=True)
            )
        return Tally(rules, self.documents + other.documents, corpus)

    def to_json(self) -> dict[str, object]:
        """Plain lists."""
        rules = [list(rule) for rule in self.rules]
        return {"rules": rules, "documents": self.documents, "corpus": dict(self.corpus)}

    @classmethod
    def from_json(cls, told: "Mapping[str, object]") -> "Tally":
        """What `to_json` gave."""
        rules, corpus = told["rules"], told["corpus"]
        assert isinstance(rules, list)
        assert isinstance(corpus, dict)
        return cls(tuple((*rule,) for rule in rules), int(str(told["documents"])), corpus)
