"""Mixtures of edited texts: what is written, counted and verified is the edited text."""

import json
import random
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from jsonschema import validate
from support import here, write_jsonl
from support.plain_edits import edited

from jobs.cli import run
from jobs.columns import open_columns
from jobs.replanning import plan_problems
from pipeline.export.data_sets import data_sets_of
from pipeline.export.lists import Manifest
from pipeline.export.samples import format_of, read_samples
from pipeline.export.verify import read_manifest, verify
from pipeline.io.store import open_store
from pipeline.io.tokenizer import load_tokenizer
from schemas.manifest import MANIFEST_SCHEMA

CONFIGURATION = """\
workspace: ./work
seed: 7
part_bytes: 6_000
sources:
  - {name: one, path: a.jsonl, columns: {kept: {key: kept, type: ranges}, source_id: name}}
stages:
  - columns_from: {path: pii.jsonl, key: source_id, columns: [pii, gone], where: "n_chars < 2_000"}
  - edits: {lines: kept, substrings: gone, redaction: pii}
  - edits: {name: shorter, substrings: gone}
mixtures:
  - {name: parquet, edits: edits, where: "n_bytes > 20"}
  - {name: jsonl, edits: edits, write: {format: jsonl}}
  - {name: mds, edits: edits, write: {format: mds}}
  - {name: huggingface, edits: edits, write: {format: huggingface}, validation: 0.3}
  - {name: megatron, edits: edits, tokenizer: shipped, write: {format: megatron}}
  - {name: tokens, edits: shorter, tokens: 400, tokenizer: shipped, write: {format: tokens}}
  - {name: bytes, edits: edits, tokens: 2_000, budget_unit: bytes, proportional_to: corpus}
  - {name: whole}
"""
MIXTURES = ("parquet", "jsonl", "mds", "huggingface", "megatron", "tokens", "bytes")
KINDS = ("lines", "substrings", "redaction")
WORDS = ["whale", "é", "e\u0301", "𝔘", "👩‍👩‍👧", "字", "a@b.c", "\r\n", "\n"]

Record = dict[str, Any]


def make_records() -> list[Record]:
    """Documents with ranges of every kind; some lack a list, of some nothing is left."""
    chance = random.Random(5)
    records = []
    for number in range(60):
        text = " ".join(chance.choices(WORDS, k=chance.randrange(5, 40)))
        size = len(text)
        cut = sorted(chance.randrange(size + 1) for _ in range(4))
        kept = [cut[:2], cut[2:]] if number % 3 == 0 else None
        if number % 10 == 4:
            kept = []
        gone = [{"start": cut[1], "end": cut[3]}, {"start": cut[2], "end": cut[3]}]
        pii = [{"start": cut[0], "end": cut[1], "kind": "email"}] if number % 2 else []
        records.append(
            {
                "name": f"n{number}",
                "text": text,
                "kept": kept,
                "gone": gone if number % 4 == 1 else None,
                "pii": None if number % 7 == 3 else pii,
            }
        )
    return records


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    return make_records()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, spark: object, records: list[Record]) -> Path:
    """The folder of a workspace with every mixture."""
    folder = tmp_path_factory.mktemp("edited")
    write_jsonl(folder / "a.jsonl", [{k: r[k] for k in ("name", "text", "kept")} for r in records])
    table = [{"source_id": r["name"], "gone": r["gone"], "pii": r["pii"]} for r in records]
    write_jsonl(folder / "pii.jsonl", table)
    (folder / "winnow.yaml").write_text(CONFIGURATION)
    here("run", str(folder / "winnow.yaml"))
    return folder


def expected(record: Record, stage: str) -> tuple[str, int, int, int] | None:
    """What the stage makes of a record; None where it is not to be written."""
    gone = [(r["start"], r["end"]) for r in record["gone"] or ()]
    if stage == "shorter":
        return edited(record["text"], None, gone, [])
    if record["pii"] is None:
        return None
    kept = None if record["kept"] is None else [(a, b) for a, b in record["kept"]]
    marks = [(r["start"], r["end"], f"<{r['kind']}>") for r in record["pii"]]
    return edited(record["text"], kept, gone, marks)


def samples(mixture: Path) -> tuple[Manifest, dict[str, Record]]:
    """The manifest, and every row by id."""
    manifest = read_manifest(str(mixture))
    store, form = open_store(str(mixture)), format_of(manifest)
    rows: dict[str, Record] = {}
    for data in data_sets_of(manifest):
        for shard in data.shards:
            for batch in read_samples(store, form, shard, ()):
                rows |= {str(row["id"]): row for row in batch.to_pylist()}
    return manifest, rows


def names_of(folder: Path) -> dict[str, str]:
    """Each record's name by the id of its document."""
    columns = open_columns(str(folder / "work"))
    found = (b for part in columns.parts for _, b in columns.read(["id", "source_id"], part))
    return {str(row["id"]): str(row["source_id"]) for b in found for row in b.to_pylist()}


@pytest.mark.parametrize("name", MIXTURES)
def test_what_is_written_is_the_edited_text(folder: Path, records: list[Record], name: str) -> None:
    manifest, rows = samples(folder / "work/mixtures" / name)
    validate(manifest, MANIFEST_SCHEMA)
    stage = manifest["edits"]["stage"]
    texts = {r["name"]: expected(r, stage) for r in records}
    names, tokenizer = names_of(folder), load_tokenizer("shipped")
    taken = [0, 0, 0]
    changed = 0
    for row_id, row in rows.items():
        found = texts[names[row_id]]
        assert found is not None
        text = found[0]
        assert text.strip()
        if "input_ids" in row:
            ids = [i for i in row["input_ids"] if i != manifest["format"]["eod"]]
            assert ids == tokenizer.encode(text, add_special_tokens=False).ids
        else:
            assert row["text"] == text
        assert row["n_tokens"] == len(tokenizer.encode(text, add_special_tokens=False))
        assert row.get("n_bytes", len(text.encode())) == len(text.encode())
        original = next(r["text"] for r in records if r["name"] == names[row_id])
        changed += text != original
        taken = [a + b for a, b in zip(taken, found[1:], strict=True)]
    assert manifest["edits"]["documents"] == changed > 0
    assert manifest["edits"]["removed"] == dict(zip(KINDS, taken, strict=True))
    if name in ("jsonl", "mds", "huggingface", "megatron"):
        left = [n for n, found in texts.items() if found and found[0].strip()]
        assert sorted(names[row_id] for row_id in rows) == sorted(left)
        assert manifest["edits"]["empty"] == sum(
            found is not None and not found[0].strip() for found in texts.values()
        )
        assert manifest["edits"]["empty"] > 0
    if manifest["config"].get("tokens"):
        (cut,) = manifest["strata"]
        ends = len(rows) if name == "tokens" else 0
        unit = "n_tokens" if name == "tokens" else "n_bytes"
        spent = sum(row[unit] for row in rows.values()) + ends
        assert cut["achieved"] == spent <= cut["wanted"] < spent + 300


@pytest.mark.parametrize("name", [*MIXTURES, "whole"])
def test_it_is_verified_and_planned_again_as_it_is(folder: Path, name: str) -> None:
    mixture = folder / "work/mixtures" / name
    assert verify(str(mixture), str(folder / "work")) == []
    columns = open_columns(str(folder / "work"))
    assert list(plan_problems(columns, read_manifest(str(mixture)))) == []


def test_a_mixture_without_edits_has_the_stored_texts(folder: Path, records: list[Record]) -> None:
    manifest, rows = samples(folder / "work/mixtures/whole")
    assert "edits" not in manifest
    assert manifest["totals"]["documents"] == len(rows) == len(records)
    assert sorted(row["text"] for row in rows.values()) == sorted(r["text"] for r in records)
    kinds = {row["source_id"]: row["kept"] for row in rows.values()}
    assert kinds["n0"][0] == dict(zip(("start", "end"), records[0]["kept"][0], strict=True)) | {
        "kind": None
    }


def test_places_in_the_stored_text_are_not_written(folder: Path) -> None:
    (shard,) = (folder / "work/mixtures/parquet").glob("shard-*.parquet")
    names = pq.read_schema(shard).names
    assert not {"pii", "kept", "gone"} & set(names)
    assert {"edited", "edited_by_lines", "edited_by_redaction"} <= set(names)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"documents": 1}, "edits.documents is 1, the shards sum to"),
        ({"empty": 1}, "edits.empty is 1, the funnel has"),
        ({"removed": {"lines": 1, "substrings": 1, "redaction": 1}}, "edits.removed.lines is 1,"),
        ({"removed": {}}, "edits are malformed"),
        ({"stage": "shorter"}, "edits are malformed, or not those of the configuration"),
    ],
)
def test_a_count_that_was_changed_is_found(
    folder: Path, tmp_path: Path, change: Record, told: str
) -> None:
    mixture = Path(shutil.copytree(folder / "work/mixtures/parquet", tmp_path / "m"))
    manifest = json.loads((mixture / "manifest.json").read_text())
    manifest["edits"] |= change
    (mixture / "manifest.json").write_text(json.dumps(manifest))
    assert any(told in str(problem) for problem in verify(str(mixture)))


def test_explain_names_the_rule(folder: Path, records: list[Record]) -> None:
    names = {name: row_id for row_id, name in names_of(folder).items()}
    printed = here("explain", str(folder / "work"), names["n4"])
    assert "mixture jsonl: out, by the rule empty_after_edit" in printed
    printed = here("explain", str(folder / "work"), names["n3"])
    assert "mixture jsonl: out, by the rule edited_n_tokens is not null" in printed


def test_a_range_outside_its_text_stops_the_run(
    tmp_path: Path, spark: object, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"text": "short", "kept": [[0, 6]]}])
    (tmp_path / "winnow.yaml").write_text(
        "workspace: ./work\nsources:\n  - {name: one, path: a.jsonl, columns: {kept: {key: kept,"
        " type: ranges}}}\nstages:\n  - edits: {lines: kept}\n"
    )
    assert run(["run", str(tmp_path / "winnow.yaml")]) == 1
    told = r"document [0-9a-f]{32}: the column kept has the range \[0, 6\), but its text has 5"
    assert re.search(told, capsys.readouterr().err)
