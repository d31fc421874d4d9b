"""Relational stages over a small workspace, cut into parts in many ways."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.io.beside import Address, BesideReader, InForce
from pipeline.io.store import open_store
from pipeline.io.workspace import Workspace
from pipeline.spark.engine import Engine
from pipeline.spark.halves import PlannedStage
from pipeline.spark.tasks import Silent
from pipeline.stages.base import RelationalStage
from schemas.tables import DOCUMENTS
from support.stages import make_documents_part

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Document = dict[str, object]
Columns = dict[str, tuple[object, ...]]


def measure_relation(
    spark: "SparkSession",
    folder: Path,
    parts: Sequence[Sequence[Document]],
    *stages: RelationalStage,
    where: str | None = None,
) -> Columns:
    """The last stage's columns by id, from a workspace of these parts; `where` is its own."""
    workspace = Workspace(open_store(str(folder)))
    workspace.create()
    made = [
        make_documents_part(folder, f"000001-{number:06d}-0000", documents, group=3)
        for number, documents in enumerate(parts)
    ]
    count = sum(len(documents) for documents in parts)
    workspace.commit_generation(1, made, {"documents": count, "inputs": []})
    addresses = {name: Address(None, name) for name in DOCUMENTS.names}
    fields: dict[str, pa.Field] = {field.name: field for field in DOCUMENTS}
    planned = []
    for stage in stages:
        last = stage is stages[-1]
        used = tuple(name for name in ("n_chars", "url") if last and where and name in where)
        text = where if last else None
        planned.append(PlannedStage(stage.kind, stage, text, used, dict(addresses), dict(fields)))
        for item in stage.schema():
            addresses[item.name], fields[item.name] = Address(stage.kind, item.name), item
    Engine(workspace, lambda: spark, Silent()).run(planned)
    kind, names = stages[-1].kind, stages[-1].schema().names
    record = workspace.stage(kind)
    assert record
    wanted = {"id": Address(None, "id"), **{name: Address(kind, name) for name in names}}
    found: Columns = {}
    for part in made:
        column = record.parts[part.part]
        beside = {kind: InForce(record.fingerprint, column.key, column.digest)}
        with BesideReader(str(folder), part, beside) as reader:
            for group in range(reader.groups):
                for row in reader.read(group, wanted).to_pylist():
                    name = str(row.pop("id"))
                    found[name] = tuple(row.values())
    assert len(found) == count
    return found


def cuts(documents: Sequence[Document], chance: random.Random) -> list[list[list[Document]]]:
    """The documents in one part, in a part each with empty ones between, and at random."""
    shuffled = chance.sample(documents, len(documents))
    middle = chance.randrange(len(shuffled))
    return [
        [list(documents)],
        [[], *([document] for document in shuffled[:6]), [], list(shuffled[6:])],
        [list(shuffled[:middle]), list(shuffled[middle:])],
    ]
