"""Edits of documents by columns of ranges: what they are, and texts with them applied."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.parts import cast_column
from pipeline.text.edits import EditedText, Redaction, edit_text
from schemas.errors import OutageError
from schemas.tables import RANGES

KINDS = ("lines", "substrings", "redaction")
"""Kinds of edits, in the order in which they are applied."""

STAGE = "edits"
"""The stage that owns the bare names of its columns."""

UNKIND = "redacted"
"""What stands for the kind of a redacted range that has none."""


class RangesError(OutageError):
    """A range that is none of its document's text."""


@dataclass(frozen=True)
class Edits:
    """The columns that say what of each text is kept, removed and redacted; None for no such edit.

    Ranges are half open, of code points of the stored text: a list of {start, end} or of pairs; of
    a redacted one the `kind` stands for {kind} in `replacement`.
    """

    lines: str | None = None
    substrings: str | None = None
    redaction: str | None = None
    replacement: str = "<{kind}>"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of ranges, each once."""
        named = (self.lines, self.substrings, self.redaction)
        return tuple(dict.fromkeys(name for name in named if name is not None))

    def apply(self, batch: pa.RecordBatch) -> Iterator[EditedText | None]:
        """Each `text` of a batch with `id` and the columns, edited; None where that can't be.

        Without a list of lines or substrings a text keeps them all; without a list of what is to be
        redacted nobody has looked, and there is no edited text. RangesError names the document and
        the column of a range outside the text.
        """
        ids, texts = batch.column("id").to_pylist(), batch.column("text").to_pylist()
        ranges = {name: Ranges(name, _lists(batch.column(name))) for name in self.columns}
        for row, text in enumerate(texts):
            found = {name: given.row(row, ids[row], len(text)) for name, given in ranges.items()}
            redacted = found.get(self.redaction or "")
            if self.redaction is not None and redacted is None:
                yield None
                continue
            kept = found.get(self.lines or "")
            yield edit_text(
                text,
                None if kept is None else [(start, end) for start, end, _ in kept],
                [(start, end) for start, end, _ in found.get(self.substrings or "") or ()],
                [
                    Redaction(start, end, self.replacement.replace("{kind}", kind or UNKIND))
                    for start, end, kind in redacted or ()
                ],
            )


def is_ranges(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists of ranges."""
    if not _is_list(kind):
        return False
    inner = kind.value_type
    if pa.types.is_struct(inner):
        fields = {field.name: field.type for field in inner}
        ends = [fields.get(name) for name in ("start", "end")]
        kinds = fields.get("kind", pa.string())
        return all(map(_is_integer, ends)) and (
            pa.types.is_string(kinds) or pa.types.is_null(kinds)
        )
    return pa.types.is_null(inner) or (_is_list(inner) and _is_integer(inner.value_type))


def _lists(column: pa.Array) -> pa.Array:
    return column if is_ranges(column.type) else cast_column(column, RANGES)


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _is_integer(kind: pa.DataType | None) -> bool:
    return kind is not None and bool(pa.types.is_integer(kind))


class Ranges:
    """A column of ranges, row by row."""

    def __init__(self, name: str, column: pa.Array) -> None:
        self._name = name
        self._valid = column.is_valid().to_numpy(zero_copy_only=False)
        lengths = pc.list_value_length(column).fill_null(0)
        self._ends = np.concatenate([[0], np.cumsum(np.asarray(lengths, np.int64))])
        flat = column.flatten()
        self._columns = _struct(flat) if pa.types.is_struct(flat.type) else _pairs(flat)

    def row(self, row: int, document: str, size: int) -> list[tuple[int, int, str | None]] | None:
        """A document's ranges, checked to be inside its text of so many code points; None if null.

        RangesError where one is not.
        """
        if not self._valid[row]:
            return None
        here = slice(self._ends[row], self._ends[row + 1])
        starts, ends, kinds = (column[here] for column in self._columns)
        for start, end in zip(starts, ends, strict=True):
            if start is None or end is None or not 0 <= start <= end <= size:
                raise RangesError(
                    f"document {document}: the column {self._name} has the range"
                    f" [{start}, {end}), but its text has {size} code points"
                )
        return list(zip(starts, ends, kinds, strict=True))


Columns = tuple[list[Any], list[Any], list[Any]]


def _struct(flat: pa.Array) -> Columns:
    fields = {field.name: flat.field(at).to_pylist() for at, field in enumerate(flat.type)}
    valid = flat.is_valid().to_pylist()
    for name in ("start", "end"):
        fields[name] = [v if ok else None for v, ok in zip(fields[name], valid, strict=True)]
    return fields["start"], fields["end"], fields.get("kind", [None] * len(flat))


def _pairs(flat: pa.Array) -> Columns:
    pairs = [pair if pair and len(pair) == 2 else (None, None) for pair in flat.to_pylist()]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs], [None] * len(pairs)


@dataclass(frozen=True)
class AppliedEdits:
    """The edits of a mixture, and the stage that measured the texts with them applied."""

    stage: str
    edits: Edits

    def column(self, name: str) -> str:
        """What a column of the stage is called outside of it."""
        return name if self.stage == STAGE else f"{self.stage}.{name}"

    @property
    def bytes_column(self) -> str:
        """How long the edited texts are."""
        return self.column("edited_n_bytes")

    @property
    def empty_column(self) -> str:
        """Of which documents nothing is left."""
        return self.column("empty_after_edit")

    @property
    def counted(self) -> dict[str, str]:
        """What is counted of the rows that are written, and the column that says it of each."""
        kinds = {kind: self.column(f"edited_by_{kind}") for kind in KINDS}
        return {"documents": self.column("edited"), **kinds}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "AppliedEdits":
        """Those that a manifest tells of."""
        given: dict[str, Any] = {field.name: told.get(field.name) for field in fields(Edits)}
        return cls(told["stage"], Edits(**given))

    def to_json(self) -> dict[str, object]:
        """For the manifest."""
        return {"stage": self.stage, **vars(self.edits)}
