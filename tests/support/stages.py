"""Stages that go wrong on chosen rows, and a workspace of one part to run them on."""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pyarrow as pa

from pipeline.io.beside import Address
from pipeline.io.parts import PartWriter, read_footer
from pipeline.io.store import open_store
from pipeline.io.workspace import DocumentsPart
from pipeline.stages.base import OPERATION, MapStage
from pipeline.stages.fingerprint import fingerprint
from pipeline.stages.sweep import MapWork, SweepTask
from schemas.errors import OutageError
from schemas.tables import DOCUMENTS


@dataclass(frozen=True, kw_only=True)
class Brittle(MapStage):
    """The length of each text; some texts raise, kill the process, hang or print to its output."""

    kind: ClassVar[str] = "brittle"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text",)
    seconds: ClassVar[float] = 1.5

    def schema(self) -> pa.Schema:
        """length: integer."""
        return pa.schema([pa.field("length", pa.int64())])

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Measure each text, or go wrong."""
        lengths = [self._measure(text) for text in batch.column("text").to_pylist()]
        return pa.record_batch([pa.array(lengths, pa.int64())], ["length"])

    def _measure(self, text: str) -> int:
        if text == "raise":
            raise ArithmeticError(f"no length for {text}")
        if text == "outage":
            raise OutageError("the server at http://here does not answer")
        if text == "segfault":
            ctypes.string_at(0)
        if text == "exit":
            os._exit(3)
        if text.startswith("once "):
            # As if somebody else had killed the process: by and by it survives the text.
            with contextlib.suppress(FileExistsError):
                Path(text.removeprefix("once ")).touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)
        if text == "hang":
            time.sleep(600)
        if text == "print":
            print("from Python")
            os.write(1, b"from a C library\n")
            sys.stdout.flush()
        return len(text)


@dataclass(frozen=True, kw_only=True)
class Sliced(Brittle):
    """The same in slices, for which something has to be loaded first."""

    slice_rows: Annotated[int, OPERATION] = 3
    broken: Literal["", "raise", "exit"] = ""

    def rows_per_slice(self) -> int:
        """As `slice_rows` says."""
        return self.slice_rows

    def load(self) -> None:
        """Load, or go wrong."""
        if self.broken == "raise":
            raise OSError("no such model")
        if self.broken == "exit":
            os._exit(5)


def make_part(folder: Path, texts: Sequence[str], group: int = 4) -> DocumentsPart:
    """A workspace whose only part holds these texts, `group` to a row group."""
    documents = [{"id": f"{i:032x}", "text": text} for i, text in enumerate(texts)]
    return make_documents_part(folder, "000001-000000-0000", documents, group)


def make_documents_part(
    folder: Path, name: str, documents: Sequence[Mapping[str, object]], group: int
) -> DocumentsPart:
    """A documents part of a workspace; what a document leaves out is made up."""
    store = open_store(str(folder))
    records = [
        {
            "source": "test",
            "source_path": "x",
            "source_offset": number,
            "n_bytes": len(str(document["text"]).encode()),
            "n_chars": len(str(document["text"])),
            **document,
        }
        for number, document in enumerate(documents)
    ]
    path = f"documents/{name}.parquet"
    with PartWriter(store, path, DOCUMENTS) as writer:
        for start in range(0, len(records), group):
            batch = pa.RecordBatch.from_pylist(records[start : start + group], DOCUMENTS)
            writer.write(batch, batch.column("id"))
        writer.commit({}, "test")
    footer = read_footer(store, path)
    size = sum(len(str(document["text"]).encode()) for document in documents)
    return DocumentsPart(name, "test", footer.rows, size, footer.ids, footer.digest)


def work_for(
    stage: MapStage, where: str | None = None, fields: Mapping[str, pa.Field] | None = None
) -> MapWork:
    """The stage on the documents' own columns."""
    reads = {name: Address(None, name) for name in stage.columns_read()}
    where_fields = fields or {}
    return MapWork(
        stage.kind,
        stage,
        fingerprint(stage),
        reads,
        where,
        {name: Address(None, name) for name in where_fields},
        where_fields,
    )


def task_for(folder: Path, part: DocumentsPart, *works: MapWork, **earlier: str) -> SweepTask:
    """A sweep of the part; `earlier` gives keys of column parts by stage."""
    keys = {name: (key,) for name, key in earlier.items()}
    return SweepTask(str(folder), part, works, {}, keys)
