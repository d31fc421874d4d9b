"""Ingest: raw files to documents parts, one task at a time, each piece committed on its own."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.io.digests import canonical_json, text_key
from pipeline.io.faults import fault
from pipeline.io.inputs import InputFile, Unit, open_input
from pipeline.io.isolation import read_isolated
from pipeline.io.parts import (
    GROUP_BYTES,
    GROUP_ROWS,
    PartWriter,
    find_footer,
    write_table,
)
from pipeline.io.reading import read_unit
from pipeline.io.records import Document, Outcome, ReadOptions, Reject
from pipeline.io.store import Store, open_store
from pipeline.io.workspace import DocumentsPart
from schemas.tables import REJECTS, documents_schema

SMALLEST_PART = 4_000_000
"""No part is cut smaller than this unless `part_bytes` says so."""

PARTS_PER_GENERATION = 64
"""A generation gives at least this many parts where they would not be smaller than that."""


@dataclass(frozen=True)
class IngestTask:
    """Units of one source that a worker reads into parts `<generation>-<task>-<piece>`."""

    workspace: str
    generation: int
    task: int
    units: tuple[Unit, ...]
    options: ReadOptions
    part_bytes: int

    @property
    def name(self) -> str:
        """The beginning of the names of all its parts."""
        return f"{self.generation:06d}-{self.task:06d}"

    @property
    def record(self) -> str:
        """The object whose presence says that the task is done."""
        return f"documents/_index/{self.generation:06d}/tasks/{self.task:06d}.json"


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


def part_target(total: int, part_bytes: int) -> int:
    """Bytes that a part of a generation holds: never a matter of how many cores there are."""
    return max(1, min(part_bytes, max(total // PARTS_PER_GENERATION, SMALLEST_PART)))


def cut(files: Sequence[InputFile], target: int) -> list[tuple[Unit, ...]]:
    """Split large files and pack small ones: the units of each task, one source a task."""
    from pipeline.io.formats import load_format

    tasks: list[tuple[Unit, ...]] = []
    pending: list[Unit] = []
    held = 0.0
    for file in files:
        reader = load_format(file.format)
        with open_input(file.location) as stream:
            ranges = reader.splits(stream, file.path, file.size, target)
        weight = file.size / max(1, len(ranges))
        for start, end in ranges:
            if pending and (pending[0].file.source != file.source or held + weight > target):
                tasks.append(tuple(pending))
                pending, held = [], 0.0
            pending.append(Unit(file, start, end))
            held += weight
    if pending:
        tasks.append(tuple(pending))
    return tasks


class _Pieces:
    """Gathers a task's outcomes into row groups, and row groups into parts."""

    def __init__(self, store: Store, task: IngestTask) -> None:
        self._store, self._task = store, task
        self._schema = documents_schema(task.options.types)
        self._rows: list[dict[str, object]] = []
        self._group_bytes = 0
        self._rejects: list[dict[str, object]] = []
        self._part_bytes = 0
        self._writer: PartWriter | None = None
        self._piece = 0
        self.tallies: list[Tally] = []
        self.parts: list[DocumentsPart] = []
        self.made = 0

    def resume(self) -> None:
        """Take over the pieces that are there, and the tallies up to the end of the last one."""
        while True:
            path = f"documents/{self._name()}.parquet"
            footer = find_footer(self._store, path)
            if footer is None:
                return
            told = json.loads(str(footer.statistics["told"]))
            self.tallies = [Tally.restored(tally) for tally in told["tallies"]]
            self._note(footer.rows, told["bytes"], footer.ids, footer.digest)
            self._piece += 1

    def _name(self) -> str:
        return f"{self._task.name}-{self._piece:06d}"

    def add(self, unit: Unit, outcome: Outcome) -> None:
        """Take in one outcome; what is no document and no reject is only counted."""
        if isinstance(outcome, Reject):
            self._rejects.append(_reject_row(unit.file, outcome))
        elif isinstance(outcome, Document):
            row = _document_row(unit.file, outcome)
            self._rows.append(row)
            self._group_bytes += int(str(row["n_bytes"]))
            if self._group_bytes >= GROUP_BYTES or len(self._rows) >= GROUP_ROWS:
                self._flush()
            if self._part_bytes + self._group_bytes >= self._task.part_bytes:
                self.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        batch = pa.RecordBatch.from_pylist(self._rows, self._schema)
        if self._writer is None:
            self._writer = PartWriter(
                self._store, f"documents/{self._name()}.parquet", self._schema
            )
        self._writer.write(batch, batch.column("id"))
        self._part_bytes += self._group_bytes
        self._rows, self._group_bytes = [], 0

    def close(self) -> None:
        """Commit the piece: its rejects first, so that a part is never without them."""
        self._flush()
        if self._rejects:
            table = pa.Table.from_pylist(self._rejects, REJECTS)
            path = f"rejects/{self._task.generation:06d}/{self._name()}.parquet"
            write_table(self._store, path, table, "ingest.rejects")
            self._rejects = []
        if self._writer is None:
            return
        tallies = [tally.told() for tally in self.tallies]
        told = canonical_json({"tallies": tallies, "bytes": self._part_bytes})
        with self._writer as writer:
            footer, made = writer.commit({"told": told}, "ingest.part")
        self._note(footer.rows, self._part_bytes, footer.ids, footer.digest)
        self._writer, self._part_bytes = None, 0
        self._piece += 1
        self.made += made

    def _note(self, rows: int, size: int, ids: str, digest: str) -> None:
        source = self._task.units[0].file.source
        self.parts.append(DocumentsPart(self._name(), source, rows, size, ids, digest))

    def abandon(self) -> None:
        """Leave no unfinished file."""
        if self._writer is not None:
            self._writer.__exit__(None, None, None)


def _document_row(file: InputFile, document: Document) -> dict[str, object]:
    return {
        "id": text_key(file.source, file.path, document.position),
        "text": document.text,
        "url": document.url,
        "source": file.source,
        "source_id": document.source_id,
        "source_path": file.path,
        "source_offset": document.offset,
        "n_bytes": len(document.text.encode()),
        "n_chars": len(document.text),
        "metadata": document.metadata,
        **document.values,
    }


def _reject_row(file: InputFile, reject: Reject) -> dict[str, object]:
    return {
        "source": file.source,
        "source_path": file.path,
        "source_offset": reject.offset,
        "source_id": reject.source_id,
        "reason": reject.reason,
        "detail": reject.detail,
    }


def _outcomes(
    task: IngestTask, tallies: list[Tally], attempt: int
) -> Iterator[tuple[Unit, Outcome]]:
    """Every outcome of the task that `tallies` does not count yet; counts each as it comes."""
    read = read_isolated if attempt else read_unit
    begun = len(tallies)
    for number, unit in enumerate(task.units):
        if number < begun - 1:
            continue
        if number >= begun:
            tallies.append(Tally(unit.file.source, unit.file.path))
        tally = tallies[number]
        for outcome in read(unit, task.options, tally.records):
            tally.count(outcome)
            yield unit, outcome


def run_ingest_task(task: IngestTask, attempt: int = 0) -> dict[str, object]:
    """Read a task's units into parts; what is committed already is found and kept.

    A reader that crashes or hangs takes the first attempt with it; from the second on readers
    run in processes of their own, and such a record is a reject.
    Returns the task's record: its parts, and what became of every record of every file.
    """
    store = open_store(task.workspace)
    if store.exists(task.record):
        return {**json.loads(store.read(task.record)), "made": 0}
    pieces = _Pieces(store, task)
    pieces.resume()
    try:
        for unit, outcome in _outcomes(task, pieces.tallies, attempt):
            pieces.add(unit, outcome)
        pieces.close()
    finally:
        pieces.abandon()
    record: Mapping[str, object] = {
        "task": task.task,
        "parts": [asdict(part) for part in pieces.parts],
        "tallies": [tally.told() for tally in pieces.tallies],
    }
    fault("ingest.task.before")
    store.create(task.record, canonical_json(record).encode())
    fault("ingest.task.after")
    return {**record, "made": pieces.made}
