"""What a workspace holds: generations of documents, stages of columns, and the index of each."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from pipeline.io.contents import Content, with_stamps
from pipeline.io.digests import canonical_json, combined, text_key
from pipeline.io.faults import fault
from pipeline.io.parts import read_table, write_table
from pipeline.io.store import Store
from schemas.errors import ConfigurationError
from schemas.tables import FORMAT_VERSION

_STAMPS = "documents/_stamps"


@dataclass(frozen=True, slots=True)
class DocumentsPart:
    """One documents part as its generation's index has it; bytes are those of the text."""

    part: str
    source: str
    rows: int
    bytes: int
    ids: str
    digest: str

    @property
    def path(self) -> str:
        """Where the part lies in the workspace."""
        return f"documents/{self.part}.parquet"


@dataclass(frozen=True, slots=True)
class ColumnsPart:
    """One column part as its stage's index has it; `statistics` is JSON."""

    part: str
    key: str
    rows: int
    bytes: int
    digest: str
    statistics: str


_DOCUMENTS_INDEX = pa.schema(
    [
        ("part", pa.string()),
        ("source", pa.string()),
        ("rows", pa.int64()),
        ("bytes", pa.int64()),
        ("ids", pa.string()),
        ("digest", pa.string()),
    ]
)
_COLUMNS_INDEX = pa.schema(
    [
        ("part", pa.string()),
        ("key", pa.string()),
        ("rows", pa.int64()),
        ("bytes", pa.int64()),
        ("digest", pa.string()),
        ("statistics", pa.string()),
    ]
)


@dataclass(frozen=True)
class StageRecord:
    """A stage as it is in force: its fingerprint, what it was computed from, and its parts."""

    stage: str
    kind: str
    number: int
    fingerprint: str
    inputs: str
    where: str | None
    columns: tuple[str, ...]
    totals: Mapping[str, int]
    index: str
    parts: Mapping[str, ColumnsPart]

    @property
    def digest(self) -> str:
        """Changes when any value of the stage changes."""
        return combined([self.fingerprint, *(p.digest for _, p in sorted(self.parts.items()))])


class Workspace:
    """The indexes of one workspace; what no index names is not there."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create(self) -> None:
        """Make the workspace, or check that it is of a version that this Winnow reads."""
        content = canonical_json({"format_version": FORMAT_VERSION, "kind": "winnow workspace"})
        if not self.store.create("workspace.json", content.encode()):
            self.check()

    def check(self) -> None:
        """Raise where there is no workspace, or one of another version."""
        try:
            found = json.loads(self.store.read("workspace.json"))
        except FileNotFoundError:
            raise ConfigurationError(
                f"{self.store.root} is no workspace: no workspace.json"
            ) from None
        except ValueError:
            raise ConfigurationError(f"{self.store.root}/workspace.json is damaged") from None
        if found.get("format_version") != FORMAT_VERSION:
            raise ConfigurationError(
                f"{self.store.root} has format version {found.get('format_version')}; "
                f"this Winnow reads version {FORMAT_VERSION}"
            )

    def decided(self) -> list[dict[str, Any]]:
        """The records of all generations that were committed or given up, oldest first."""
        names = sorted(
            entry.path
            for entry in self.store.list("documents/_index")
            if entry.path.endswith("/generation.json")
        )
        return [json.loads(self.store.read(name)) for name in names]

    def generations(self) -> list[dict[str, Any]]:
        """The committed generations' records that hold, oldest first.

        One that replaces the generations before it is the first.
        """
        live: list[dict[str, Any]] = []
        for record in self.decided():
            if record.get("given_up"):
                continue
            live = [record] if record.get("replaces") else [*live, record]
        return with_stamps(live, self._stamps())

    def _stamps(self) -> dict[Content, str]:
        """The newest stamps of files that were touched since they were ingested."""
        found: dict[Content, str] = {}
        for entry in sorted(self.store.list(_STAMPS), key=lambda entry: entry.path):
            for source, path, digest, stamp in json.loads(self.store.read(entry.path)):
                found[source, path, digest] = stamp
        return found

    def note_stamps(self, stamps: Mapping[Content, str]) -> None:
        """Keep the stamps of files that were touched but have not changed."""
        content = canonical_json([[*key, stamp] for key, stamp in sorted(stamps.items())])
        number = len(list(self.store.list(_STAMPS))) + 1
        while stamps and not self.store.create(f"{_STAMPS}/{number:06d}.json", content.encode()):
            number += 1

    def documents(self) -> list[DocumentsPart]:
        """The documents parts of all generations, in order."""
        return [
            DocumentsPart(**row)
            for record in self.generations()
            for row in read_table(self.store, f"{_generation(record)}/parts.parquet").to_pylist()
        ]

    def commit_generation(
        self, number: int, parts: Sequence[DocumentsPart], record: Mapping[str, object]
    ) -> bool:
        """Write a generation's index, then the record that makes it count.

        False where another run has given the generation up meanwhile.
        """
        table = pa.Table.from_pylist([asdict(part) for part in parts], _DOCUMENTS_INDEX)
        content = {**record, "generation": number}
        folder = _generation(content)
        write_table(self.store, f"{folder}/parts.parquet", table, "ingest.index")
        fault("ingest.generation.before")
        held = self._decide(content)
        fault("ingest.generation.after")
        return held

    def give_up_generation(self, number: int) -> bool:
        """Close the number of a generation that is not committed; False where it was, meanwhile."""
        return self._decide({"generation": number, "given_up": True})

    def _decide(self, record: Mapping[str, object]) -> bool:
        """One object decides what became of a generation: the first to create it."""
        path = f"{_generation(record)}/generation.json"
        content = canonical_json(record).encode()
        return self.store.create(path, content) or self.store.read(path) == content

    def stage_records(self, stage: str) -> list[dict[str, object]]:
        """Every record of a stage, oldest first, without its parts."""
        paths = sorted(entry.path for entry in self.store.list(f"columns/{stage}/_stage"))
        return [json.loads(self.store.read(path)) for path in paths]

    def stages(self) -> list[str]:
        """The names of the stages that have columns here."""
        names = {e.path.split("/")[1] for e in self.store.list("columns") if "/_stage/" in e.path}
        return sorted(names)

    def stage(self, stage: str) -> StageRecord | None:
        """The stage's record in force."""
        records = self.stage_records(stage)
        return self._load(records[-1]) if records else None

    def _load(self, record: dict[str, object]) -> StageRecord:
        rows = read_table(self.store, str(record["index"])).to_pylist()
        fields = {**record, "columns": tuple(record["columns"])}  # type: ignore[arg-type]
        return StageRecord(**fields, parts={row["part"]: ColumnsPart(**row) for row in rows})  # type: ignore[arg-type]

    def earlier_parts(self, stage: str, fingerprint: str) -> dict[str, list[ColumnsPart]]:
        """Every column part that an index of this fingerprint has named, by part, newest first."""
        found: dict[str, list[ColumnsPart]] = {}
        for record in reversed(self.stage_records(stage)):
            if record["fingerprint"] != fingerprint:
                continue
            for row in read_table(self.store, str(record["index"])).to_pylist():
                parts = found.setdefault(row["part"], [])
                if all(row["key"] != part.key for part in parts):
                    parts.append(ColumnsPart(**row))
        return found

    def commit_stage(
        self, record: Mapping[str, object], parts: Iterable[ColumnsPart], point: str
    ) -> None:
        """Write the parts index, then append the record that puts it in force."""
        ordered = sorted(parts, key=lambda part: part.part)
        stage, fingerprint = str(record["stage"]), str(record["fingerprint"])
        name = combined([f"{part.part} {part.key} {part.digest}" for part in ordered])
        index = f"columns/{stage}/{fingerprint}/_index/{name}.parquet"
        table = pa.Table.from_pylist([asdict(part) for part in ordered], _COLUMNS_INDEX)
        write_table(self.store, index, table, f"{point}.index")
        content = {**record, "index": index}
        fault(f"{point}.stage.before")
        self._append_record(stage, content)
        fault(f"{point}.stage.after")

    def _append_record(self, stage: str, content: Mapping[str, object]) -> None:
        """Put a record in force, unless another run has put the same one there just now."""
        known = self.stage_records(stage)
        number = int(str(known[-1]["number"])) if known else 0
        last = known[-1] if known else {}
        while {**last, "number": 0} != {**content, "number": 0}:
            number += 1
            path = f"columns/{stage}/_stage/{number:06d}.json"
            if self.store.create(path, canonical_json({**content, "number": number}).encode()):
                return
            last = json.loads(self.store.read(path))


def columns_path(stage: str, fingerprint: str, part: str, key: str) -> str:
    """Where a column part lies in the workspace."""
    return f"columns/{stage}/{fingerprint}/{part}.{key}.parquet"


def part_key(fingerprint: str, *inputs: str) -> str:
    """The key of a column part: 16 hex digits of the stage's fingerprint and all that it read."""
    return text_key(fingerprint, *inputs)[:16]


def _generation(record: Mapping[str, object]) -> str:
    return f"documents/_index/{record['generation']:06d}"
