"""What became of the records of a file: nothing may be missing from the sum."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.io.records import Document, Outcome, Reject
from schemas.errors import WinnowError

COUNTS = ("passed_over", "rejects", "segments")
"""What is counted by kind."""

TOO_SHORT = "shorter than a segment"
"""A record whose document gave no segment is passed over as this."""


@dataclass
class Tally:
    """What became of the records of one file: nothing may be missing from the sum."""

    source: str
    path: str
    records: int = 0
    documents: int = 0
    bytes: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    segments: Counter[str] = field(default_factory=Counter)
    """Where documents are cut: `parents` that gave segments, `segments`, and what was dropped, as
    `dropped_remainders`, `dropped_tokens` and `dropped_bytes`."""

    @classmethod
    def restored(cls, told: Mapping[str, Any]) -> "Tally":
        """The tally that `asdict` was made of."""
        counts = {name: Counter(told.get(name, {})) for name in COUNTS}
        return cls(**{**told, **counts})

    def told(self) -> dict[str, object]:
        """As JSON has it."""
        counts = {name: dict(sorted(getattr(self, name).items())) for name in COUNTS}
        return {**vars(self), **counts}

    def count(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.records += 1
        if isinstance(outcome, Document):
            self._count_document(outcome)
        elif isinstance(outcome, Reject):
            self.rejects[outcome.reason] += 1
        else:
            self.passed_over[outcome.kind] += 1

    def _count_document(self, document: Document) -> None:
        size = len(document.text.encode())
        if document.cut is None:
            self.documents += 1
            self.bytes += size
            return
        ends = document.cut.ends
        kept = len(document.text[: ends[-1]].encode()) if ends else 0
        if ends:
            self.segments["parents"] += 1
        else:
            self.passed_over[TOO_SHORT] += 1
        self.documents += len(ends)
        self.bytes += kept
        dropped = {"remainders": int(kept < size), "tokens": document.cut.dropped_tokens}
        self.segments["segments"] += len(ends)
        for name, count in {**dropped, "bytes": size - kept}.items():
            self.segments[f"dropped_{name}"] += count


def records_taken(counted: Mapping[str, Any]) -> int:
    """Of a file or source as it was told: the records that gave documents, whole or in segments."""
    segments = counted.get("segments", {})
    return int(counted["documents"] - segments.get("segments", 0) + segments.get("parents", 0))


def records_sound(counted: Mapping[str, Any]) -> int:
    """The records that held a document, those too that were shorter than a segment."""
    return records_taken(counted) + int(counted["passed_over"].get(TOO_SHORT, 0))


@dataclass
class SourceFigures:
    """What became of the records of one source, over all generations."""

    source: str
    files: int = 0
    records: int = 0
    documents: int = 0
    bytes: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    segments: Counter[str] = field(default_factory=Counter)
    """As a tally counts them; empty where documents are whole."""


def figures_by_source(generations: Sequence[Mapping[str, Any]]) -> dict[str, SourceFigures]:
    """Totals by source; records = documents + passed over + rejects holds in each."""
    sources: dict[str, SourceFigures] = {}
    for record in generations:
        for item in record["inputs"]:
            figures = sources.setdefault(item["source"], SourceFigures(item["source"]))
            figures.files += 1
            figures.records += item["records"]
            figures.documents += item["documents"]
            figures.bytes += item["bytes"]
            figures.passed_over.update(item["passed_over"])
            figures.rejects.update(item["rejects"])
            figures.segments.update(item.get("segments", {}))
    for figures in sources.values():
        lost = figures.passed_over.total() + figures.rejects.total()
        if records_taken(vars(figures)) + lost != figures.records:
            raise WinnowError(f"source {figures.source}: records do not balance: a defect")
    return sources
