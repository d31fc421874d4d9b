"""The columns of a workspace as its indexes have them, without a configuration."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.settings import nearest
from pipeline.io.beside import Address, BesideReader, InForce
from pipeline.io.parts import cast_column
from pipeline.io.store import open_store
from pipeline.io.workspace import DocumentsPart, StageRecord, Workspace, columns_path
from pipeline.spark.halves import MAP_HALF
from schemas.errors import ConfigurationError


@dataclass
class WorkspaceColumns:
    """Every column in force, by the name that expressions use."""

    workspace: Workspace
    parts: list[DocumentsPart]
    records: dict[str, StageRecord]
    addresses: dict[str, Address] = field(default_factory=dict)
    fields: dict[str, pa.Field] = field(default_factory=dict)

    def find(self, name: str) -> str:
        """The name itself; ConfigurationError with the nearest where there is no such column."""
        if name not in self.addresses:
            raise ConfigurationError(f"no column '{name}'{nearest(name, list(self.addresses))}")
        return name

    def read(
        self, names: Sequence[str], part: DocumentsPart
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The columns of a part, row group by row group, each with its first row's number."""
        addresses = {name: self.addresses[name] for name in names}
        columns = in_force(self.records, part)
        start = 0
        with BesideReader(self.workspace.store.root, part, columns) as reader:
            for group in range(reader.groups):
                batch = reader.read(group, addresses)
                arrays = [cast_column(batch.column(n), self.fields[n].type) for n in names]
                yield start, pa.RecordBatch.from_arrays(arrays, list(names))
                start += len(batch)


def in_force(records: Mapping[str, StageRecord], part: DocumentsPart) -> dict[str, InForce]:
    """The column parts of one documents part."""
    return {
        name: InForce(record.fingerprint, found.key, found.digest)
        for name, record in records.items()
        if (found := record.parts.get(part.part))
    }


def open_columns(location: str) -> WorkspaceColumns:
    """The columns of a workspace; those of a stage that lacks parts of the newest documents go."""
    workspace = Workspace(open_store(location))
    workspace.check()
    parts = workspace.documents()
    if not parts:
        raise ConfigurationError(f"{location} holds no documents yet")
    found = WorkspaceColumns(workspace, parts, {})
    for part in parts:
        for item in _schema(workspace, part.path):
            found.addresses.setdefault(item.name, Address(None, item.name))
            found.fields.setdefault(item.name, item)
    for name in workspace.stages():
        record = workspace.stage(name)
        if record is None or name.endswith(MAP_HALF):
            continue
        if all(part.part in record.parts for part in parts):
            found.records[name] = record
            _add(found, record)
    return found


def _add(found: WorkspaceColumns, record: StageRecord) -> None:
    part = found.parts[0].part
    path = columns_path(record.stage, record.fingerprint, part, record.parts[part].key)
    prefix = "" if record.stage == record.kind else f"{record.stage}."
    for item in _schema(found.workspace, path):
        status = item.name == f"{record.kind}_status"
        name = f"{record.stage}_status" if status else prefix + item.name
        found.addresses[name] = Address(record.stage, item.name)
        found.fields[name] = item.with_name(name)


def _schema(workspace: Workspace, path: str) -> pa.Schema:
    with workspace.store.open(path) as file:
        return pq.read_schema(file)
