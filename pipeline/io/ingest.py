"""Ingest: raw files to documents parts, one task at a time, each piece committed on its own."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from pipeline.io.contents import raw_digest
from pipeline.io.digests import canonical_json
from pipeline.io.faults import fault
from pipeline.io.identity import document_id, segment_id
from pipeline.io.inputs import InputFile, Unit, check_unchanged
from pipeline.io.isolation import read_isolated
from pipeline.io.parts import GROUP_BYTES, GROUP_ROWS, PartWriter, TableWriter, find_footer
from pipeline.io.reading import read_unit
from pipeline.io.records import Document, Outcome, ReadOptions, Reject
from pipeline.io.store import Store, check_shared, open_store
from pipeline.io.tally import Tally
from pipeline.io.workspace import DocumentsPart
from schemas.tables import REJECTS, documents_schema


@dataclass(frozen=True)
class IngestTask:
    """Units of one source that a worker reads into parts `<generation>-<task>-<piece>`."""

    workspace: str
    generation: int
    task: int
    units: tuple[Unit, ...]
    options: ReadOptions
    part_bytes: int
    share: float = 1.0
    """Of the documents, by a hash of their ids; the others are passed over as `not sampled`."""

    @property
    def name(self) -> str:
        """The beginning of the names of all its parts."""
        return f"{self.generation:06d}-{self.task:06d}"

    @property
    def record(self) -> str:
        """The object whose presence says that the task is done."""
        return f"{tasks_folder(self.generation)}/{self.task:06d}.json"


def tasks_folder(generation: int) -> str:
    """Where the plan of a generation and the records of its tasks lie."""
    return f"documents/_tasks/{generation:06d}"


class _Pieces:
    """Gathers a task's outcomes into row groups, and row groups into parts."""

    def __init__(self, store: Store, task: IngestTask) -> None:
        self._store, self._task = store, task
        self._schema = documents_schema(task.options.types, task.options.segment is not None)
        self._rows: list[dict[str, object]] = []
        self._group_bytes = self._carried = 0
        self._rejects: list[dict[str, object]] = []
        self._rejects_writer: TableWriter | None = None
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
            carried = 0 if outcome.cut is None else _carried(outcome)
            for row in _rows(unit.file, outcome):
                self._rows.append(row)
                self._group_bytes += int(str(row["n_bytes"]))
                self._carried += carried
                held = self._group_bytes + self._carried
                if held >= GROUP_BYTES or len(self._rows) >= GROUP_ROWS:
                    self._flush()
            # Never between the segments of a document: a piece ends with a record.
            if self._part_bytes + self._group_bytes >= self._task.part_bytes:
                self.close()
        if len(self._rejects) >= GROUP_ROWS:
            self._flush_rejects()

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
        self._rows, self._group_bytes, self._carried = [], 0, 0

    def _flush_rejects(self) -> None:
        if not self._rejects:
            return
        if self._rejects_writer is None:
            path = f"rejects/{self._task.generation:06d}/{self._name()}.parquet"
            self._rejects_writer = TableWriter(self._store, path, REJECTS)
        self._rejects_writer.write(pa.Table.from_pylist(self._rejects, REJECTS))
        self._rejects = []

    def close(self) -> None:
        """Commit the piece: its rejects first, so that a part is never without them."""
        self._flush()
        self._flush_rejects()
        if self._rejects_writer is not None:
            with self._rejects_writer as rejects:
                rejects.commit("ingest.rejects")
            self._rejects_writer = None
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
        for writer in (self._writer, self._rejects_writer):
            if writer is not None:
                writer.__exit__(None, None, None)


def _document_row(file: InputFile, document: Document) -> dict[str, object]:
    return {
        "id": document_id(file, document),
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


def _rows(file: InputFile, document: Document) -> Iterator[dict[str, object]]:
    """The document, or its segments: what its record held beside the text is with each."""
    row = _document_row(file, document)
    if document.cut is None:
        yield row
        return
    parent, start = str(row["id"]), 0
    for index, end in enumerate(document.cut.ends):
        text = document.text[start:end]
        yield {
            **row,
            "id": segment_id(parent, index),
            "text": text,
            "n_bytes": len(text.encode()),
            "n_chars": len(text),
            "parent_id": parent,
            "segment_index": index,
            "segment_start": start,
            "segment_end": end,
        }
        start = end


def _carried(document: Document) -> int:
    """Characters that each of a document's segments has beside its text."""
    texts = [document.metadata, *document.values.values()]
    return sum(len(text) for text in texts if isinstance(text, str))


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
    task: IngestTask, tallies: list[Tally], digests: list[str | None], attempt: int
) -> Iterator[tuple[Unit, Outcome]]:
    """Every outcome of the task that `tallies` does not count yet; counts each as it comes.

    `digests` gets that of every unit, from the bytes that are read right after.
    """
    read = read_isolated if attempt else read_unit
    begun = len(tallies)
    for number, unit in enumerate(task.units):
        check_unchanged(unit.file)
        digests.append(raw_digest(unit))
        if number < begun - 1:
            continue
        if number >= begun:
            tallies.append(Tally(unit.file.source, unit.file.path))
        tally = tallies[number]
        for outcome in read(unit, task.options, tally.records, task.share):
            tally.count(outcome)
            yield unit, outcome
        check_unchanged(unit.file)


def run_ingest_task(task: IngestTask, attempt: int = 0) -> dict[str, Any]:
    """Read a task's units into parts; what is committed already is found and kept.

    A reader that crashes or hangs takes the first attempt with it; from the second on readers
    run in processes of their own, and such a record is a reject.
    Returns the task's record: its parts, and what became of every record of every file.
    """
    store = open_store(task.workspace)
    check_shared(store)
    if store.exists(task.record):
        return {**json.loads(store.read(task.record)), "made": 0}
    pieces = _Pieces(store, task)
    pieces.resume()
    digests: list[str | None] = []
    try:
        for unit, outcome in _outcomes(task, pieces.tallies, digests, attempt):
            pieces.add(unit, outcome)
        pieces.close()
    finally:
        pieces.abandon()
    record: Mapping[str, object] = {
        "task": task.task,
        "parts": [asdict(part) for part in pieces.parts],
        "tallies": [tally.told() for tally in pieces.tallies],
        "digests": digests,
    }
    fault("ingest.task.before")
    store.create(task.record, canonical_json(record).encode())
    fault("ingest.task.after")
    return {**record, "made": pieces.made}
