"""What became of the records of a file: nothing may be missing from the sum."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.io.records import Document, Outcome, Reject


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

    @classmethod
    def restored(cls, told: Mapping[str, Any]) -> "Tally":
        """The tally that `asdict` was made of."""
        counts = {name: Counter(told[name]) for name in ("passed_over", "rejects")}
        return cls(**{**told, **counts})

    def told(self) -> dict[str, object]:
        """As JSON has it."""
        counts = {
            name: dict(sorted(getattr(self, name).items())) for name in ("passed_over", "rejects")
        }
        return {**vars(self), **counts}

    def count(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.records += 1
        if isinstance(outcome, Document):
            self.documents += 1
            self.bytes += len(outcome.text.encode())
        elif isinstance(outcome, Reject):
            self.rejects[outcome.reason] += 1
        else:
            self.passed_over[outcome.kind] += 1
