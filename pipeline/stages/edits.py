"""Edits, measured: how long each text is once they are applied, and what they take out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from pipeline.io.edits import KINDS, Edits, is_ranges
from pipeline.stages.tokens import Tokens
from pipeline.text.edits import EditedText


@dataclass(frozen=True, kw_only=True)
class EditTexts(Tokens):
    """Tokens and bytes of the edited text: a mixture that names the stage writes that text.

    `lines` names a column of the ranges that are kept, `substrings` one of those that are removed,
    `redaction` one of those in whose place `replacement` stands.
    """

    kind: ClassVar[str] = "edits"
    version: ClassVar[int] = 1

    lines: str | None = None
    substrings: str | None = None
    redaction: str | None = None
    replacement: str = "<{kind}>"

    @property
    def edits(self) -> Edits:
        """What is done to each text."""
        return Edits(self.lines, self.substrings, self.redaction, self.replacement)

    def columns_read(self) -> tuple[str, ...]:
        """The text, and the columns of ranges."""
        return ("id", "text", *self.edits.columns)

    def check(self) -> None:
        """There must be an edit; the tokenizer must load."""
        if not self.edits.columns:
            raise ValueError(f"name a column of ranges: {', '.join(KINDS)}")
        super().check()

    def check_types(self, types: Mapping[str, pa.DataType]) -> None:
        """The columns must hold ranges."""
        for kind in KINDS:
            name = getattr(self, kind)
            if name is not None and not is_ranges(types[name]):
                raise ValueError(
                    f"{kind}: '{name}' is {types[name]}; ranges are lists of {{start, end}}"
                )

    def schema(self) -> pa.Schema:
        """The edited text's length, what each kind of edit took out of it, and whether any did."""
        return pa.schema(
            [
                pa.field("edited_n_tokens", pa.int64()),
                pa.field("edited_n_bytes", pa.int64()),
                pa.field("edited", pa.bool_()),
                *(pa.field(f"edited_by_{kind}", pa.int64()) for kind in KINDS),
                pa.field("empty_after_edit", pa.bool_()),
            ]
        )

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Edit and measure each text."""
        originals = batch.column("text").to_pylist()
        edited = list(self.edits.apply(batch))
        counts = self.count([item.text if item else "" for item in edited])
        rows = [
            _measured(item, original, n_tokens) if item else {}
            for item, original, n_tokens in zip(edited, originals, counts, strict=True)
        ]
        found = pa.RecordBatch.from_pylist(rows, self.schema())
        statuses = pa.array(["ok" if item else "skipped" for item in edited], pa.string())
        return found.append_column("status", statuses)


def _measured(item: EditedText, original: str, n_tokens: int) -> dict[str, object]:
    return {
        "edited_n_tokens": n_tokens,
        "edited_n_bytes": len(item.text.encode()),
        "edited": item.text != original,
        "edited_by_lines": item.by_lines,
        "edited_by_substrings": item.by_substrings,
        "edited_by_redaction": item.by_redaction,
        "empty_after_edit": not item.text.strip(),
    }
