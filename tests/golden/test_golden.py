"""What a tiny corpus measures, and the schema of everything on disk: exactly as before."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.stages import STAGES, stage_class
from pipeline.stages.base import MapStage, RelationalStage
from pipeline.stages.columns_from import ColumnsFrom
from pipeline.stages.dsir import Dsir
from pipeline.stages.exact_dedup import TextHash
from pipeline.stages.language import Language
from pipeline.stages.signals import Signals
from pipeline.stages.tokens import Tokens
from schemas import tables

HERE = Path(__file__).parent
MEASURED: tuple[MapStage, ...] = (Language(), Signals(), Tokens(), TextHash())


def compare(request: pytest.FixtureRequest, name: str, content: object) -> None:
    """Against the file, which only --update-golden writes."""
    found = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=True) + "\n"
    path = HERE / name
    if request.config.getoption("--update-golden", default=False):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


def test_the_measures_of_a_tiny_corpus(request: pytest.FixtureRequest) -> None:
    lines = (HERE / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    documents = [json.loads(line) for line in lines]
    batch = pa.record_batch([pa.array([d["text"] for d in documents], pa.string())], ["text"])
    measured: dict[str, dict[str, object]] = {d["name"]: {} for d in documents}
    assert len(measured) == 30
    for stage in MEASURED:
        for document, row in zip(documents, stage.apply(batch).to_pylist(), strict=True):
            told = {k: v.hex() if isinstance(v, bytes) else v for k, v in row.items()}
            measured[document["name"]][stage.kind] = told
    compare(request, "measures.json", measured)


def fields(schema: pa.Schema) -> list[str]:
    """A line for each field, with the size of its closed set where it has one."""
    found = []
    for field in schema:
        values = json.loads((field.metadata or {}).get(tables.VALUES, b"null"))
        closed = f" of {len(values)} values" if values else ""
        found.append(f"{field.name}: {field.type}{closed}{'' if field.nullable else ' not null'}")
    return found


def test_the_schema_of_every_table_and_stage(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    schemas = {name: value for name, value in vars(tables).items() if isinstance(value, pa.Schema)}
    assert {"DOCUMENTS", "REJECTS"} <= schemas.keys()
    found = {name: fields(schema) for name, schema in schemas.items()}
    found["documents_schema(every type)"] = fields(
        tables.documents_schema({kind: kind for kind in tables.MAPPED_TYPES})
    )
    found["STATUSES"] = list(tables.STATUSES)
    table = tmp_path / "table.csv"
    table.write_text("id,score,label\na,0.5,x\n")
    for kind in STAGES:
        made = stage_class(kind)
        if made is ColumnsFrom:
            stage = ColumnsFrom(path=str(table), key="id", columns=["score", "label"])
        else:
            given = {"target": ""} if made is Dsir else {}
            stage = made(**given)  # type: ignore[assignment]
        found[f"stage {kind}"] = [f"reads {', '.join(stage.reads)}", *fields(stage.schema())]
        half = stage.map_half() if isinstance(stage, RelationalStage) else None
        if half:
            found[f"stage {kind}, map half {half.kind}"] = fields(half.schema())
    compare(request, "schemas.json", found)
