"""Columns read beside their documents, wherever they lie."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

import pyarrow as pa

from pipeline.io.digests import canonical_json
from pipeline.io.parts import PartReader
from pipeline.io.store import open_store
from pipeline.io.workspace import DocumentsPart, columns_path


@dataclass(frozen=True)
class Address:
    """Where a column lies: in the documents (stage None), or in a stage's column parts."""

    stage: str | None
    column: str


@dataclass(frozen=True)
class InForce:
    """A column part that an index names: enough to read it and to know its values."""

    fingerprint: str
    key: str
    digest: str


@dataclass(frozen=True)
class Place:
    """A documents part by its number in the workspace, and the column parts in force beside it."""

    number: int
    part: DocumentsPart
    columns: Mapping[str, InForce]

    def told(self) -> str:
        """As JSON, so that a task is sent the places that it works on and no others."""
        return canonical_json(asdict(self))

    @classmethod
    def restored(cls, told: str) -> "Place":
        """What `told` gave."""
        found = json.loads(told)
        columns = {stage: InForce(**item) for stage, item in found["columns"].items()}
        return cls(found["number"], DocumentsPart(**found["part"]), columns)


class BesideReader:
    """Chosen columns of one part, row group by row group."""

    def __init__(
        self,
        workspace: str,
        part: DocumentsPart,
        columns: Mapping[str, InForce],
        encoded: Collection[Address] = (),
    ) -> None:
        """`encoded` are columns of strings that are to be read as dictionaries."""
        self._store = open_store(workspace)
        self._encoded = encoded
        self._part, self._columns = part, columns
        self._open: dict[str | None, PartReader] = {}
        self.groups = self._reader(None).groups

    def _reader(self, stage: str | None) -> PartReader:
        if stage not in self._open:
            path = self._part.path
            if stage is not None:
                found = self._columns[stage]
                path = columns_path(stage, found.fingerprint, self._part.part, found.key)
            encoded = [a.column for a in self._encoded if a.stage == stage]
            self._open[stage] = PartReader(self._store, path, self._part.ids, encoded)
        return self._open[stage]

    def __enter__(self) -> "BesideReader":
        return self

    def __exit__(self, *_: object) -> None:
        """Close every file."""
        for reader in self._open.values():
            reader.__exit__(None, None, None)

    def rows(self, group: int) -> int:
        """How many rows a row group has."""
        return self._reader(None).group_rows(group)

    def read(self, group: int, addresses: Mapping[str, Address]) -> pa.RecordBatch:
        """One row group under the names that the caller uses."""
        stages: dict[str | None, list[str]] = {}
        for address in addresses.values():
            names = stages.setdefault(address.stage, [])
            if address.column not in names:
                names.append(address.column)
        read = {stage: self._reader(stage).read(group, names) for stage, names in stages.items()}
        arrays = [read[a.stage].column(a.column) for a in addresses.values()]
        return pa.RecordBatch.from_arrays(arrays, list(addresses))
