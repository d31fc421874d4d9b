"""What a manifest says of edits, against the rows that were written and the funnel."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.edits import KINDS, AppliedEdits, Edits
from pipeline.select.reading import EMPTY_AFTER_EDIT

_FIELDS = [field.name for field in fields(Edits)]
_COUNTS = ("documents", "removed", "empty")


class EditChecks:
    """Sums of the columns that tell of edits, in the formats whose rows have them."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = {"documents": told["documents"], **told["removed"]}
        self._columns = AppliedEdits.of(told).counted
        self._sums: Counter[str] = Counter()
        self._whole = True

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in some rows."""
        for name, column in self._columns.items():
            if column in batch.schema.names:
                self._sums[name] += pc.sum(batch.column(column)).as_py() or 0
            else:
                self._whole = False

    def differences(self) -> Iterator[str]:
        """What the rows do not sum to."""
        for name, told in self._told.items():
            if self._whole and self._sums[name] != told:
                what = "documents" if name == "documents" else f"removed.{name}"
                yield f"edits.{what} is {told}, the shards sum to {self._sums[name]}"


def malformed_edits(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Whether what is said of edits is whole, and of the stage that the mixture names."""
    told, config = manifest.get("edits"), manifest.get("config")
    named = config.get("edits") if isinstance(config, dict) else None
    if told is None and named is None:
        return
    keys = {"stage", *_FIELDS, *_COUNTS}
    if (
        not isinstance(told, dict)
        or set(told) != keys
        or told["stage"] != named
        or set(told["removed"]) != {*KINDS}
    ):
        yield "edits are malformed, or not those of the configuration"


def check_empty(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Whether the funnel has the documents of which edits leave nothing."""
    if "edits" not in manifest:
        return
    steps = manifest["funnel"]
    names = [step["step"] for step in steps]
    if EMPTY_AFTER_EDIT not in names[1:]:
        yield f"funnel: the rule {EMPTY_AFTER_EDIT} is missing"
        return
    at = names.index(EMPTY_AFTER_EDIT)
    lost = steps[at - 1]["documents"] - steps[at]["documents"]
    if lost != manifest["edits"]["empty"]:
        yield f"edits.empty is {manifest['edits']['empty']}, the funnel has {lost}"
