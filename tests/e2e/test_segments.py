"""A source of segments beside one of whole documents, from the files to a mixture."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support import contents, here, make_documents, run_here, write_jsonl

from jobs.cli import run
from pipeline.io.tokenizer import load_tokenizer

pytestmark = pytest.mark.usefixtures("spark")

WHOLE = """\
workspace: ./work
seed: 7
max_rejects: 0.5
sources:
  - {name: one, path: one/*.jsonl, columns: {kind: kind}}
"""

REST = """\
  - name: two
    path: two/*.jsonl
    columns: {kind: kind}
    segment: {tokenizer: shipped, tokens: 64}
stages:
  - tokens: {}
mixtures:
  - name: main
    where: "parent_id is null or segment_index < 3 and segment_end > 0"
    strata: [source]
    quotas: equal
    tokens: 12_800
    tokenizer: shipped
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose whole documents were there before there were any segments."""
    folder = tmp_path_factory.mktemp("segments")
    for seed, source in enumerate(("one", "two")):
        write_jsonl(folder / source / "a.jsonl", make_documents(seed, 120))
    configuration = folder / "winnow.yaml"
    configuration.write_text(WHOLE + "stages: [tokens: {}]\n")
    run_here(str(configuration))
    before = contents(folder / "work/documents")
    configuration.write_text(WHOLE + REST)
    figures = run_here(str(configuration))
    assert before.items() <= contents(folder / "work/documents").items()
    (folder / "figures.json").write_text(json.dumps(figures))
    return folder


def rows(folder: Path) -> list[dict[str, Any]]:
    output = folder / "rows.parquet"
    names = "parent_id,segment_index,segment_start,segment_end,n_tokens,text,kind"
    here("table", str(folder / "work"), "--columns", names, "-o", str(output))
    found: list[dict[str, Any]] = pq.read_table(output).to_pylist()
    return found


def test_segments_stand_beside_whole_documents(folder: Path) -> None:
    found = rows(folder)
    texts = {record["text"] for record in make_documents(1, 120)}
    whole = [row for row in found if row["source"] == "one"]
    segments = [row for row in found if row["source"] == "two"]
    assert all(row["parent_id"] is row["segment_end"] is None for row in whole)
    assert len(segments) > 100
    tokenizer = load_tokenizer("shipped")
    parents: dict[str, str] = {}
    for row in segments:
        # Written in order, and cut so that the tokens of each are those of the whole.
        parents[row["parent_id"]] = parents.get(row["parent_id"], "") + row["text"]
        assert len(parents[row["parent_id"]]) == row["segment_end"]
        assert row["segment_end"] - row["segment_start"] == len(row["text"])
    for text in parents.values():
        assert len(tokenizer.encode(text).ids) % 64 == 0
        assert any(whole_text.startswith(text) for whole_text in texts)
    figures = json.loads((folder / "figures.json").read_text())["ingest"]["sources"]["two"]
    assert figures["segments"]["segments"] == figures["documents"] == len(segments)
    assert figures["segments"]["parents"] == len(parents)


def test_a_mixture_says_what_was_dropped_and_is_verified(folder: Path) -> None:
    mixture = folder / "work/mixtures/main"
    manifest = json.loads((mixture / "manifest.json").read_text())
    one, two = manifest["inputs"]
    assert "segments" not in one
    lost = sum(two["passed_over"].values()) + sum(two["rejects"].values())
    assert two["records"] == two["segments"]["parents"] + lost == 120
    assert two["segments"]["dropped_tokens"] > 0
    assert "verified" in here("verify", str(mixture), "--workspace", str(folder / "work"))
    by_id = {row["id"]: row for row in rows(folder)}
    (shard,) = mixture.glob("*.parquet")
    written = pq.read_table(shard, columns=["id", "parent_id", "segment_index"]).to_pylist()
    assert {row["parent_id"] is None for row in written} == {True, False}
    for row in written:
        assert {name: by_id[row["id"]][name] for name in row} == row
        assert row["segment_index"] is None or row["segment_index"] < 3
    manifest["inputs"][1]["segments"]["parents"] += 1
    (mixture / "manifest.json").write_text(json.dumps(manifest))
    assert run(["verify", str(mixture)]) == 1


def test_a_segment_is_led_back_to_its_document(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = next(row for row in rows(folder) if row["segment_index"] == 1)
    told = here("explain", str(folder / "work"), row["id"]).splitlines()
    place = f"code points {row['segment_start']:,} to {row['segment_end']:,}"
    assert told[1] == f"  segment 1 of document {row['parent_id']}: {place} of its text"
    assert run(["explain", str(folder / "work"), row["parent_id"]]) == 2
    assert f"{row['parent_id']} was cut into" in capsys.readouterr().err
    sampled = here("sample", str(folder / "work"), "--by", "source", "-n", "4").splitlines()
    told = [line for line in sampled if line.strip().startswith("two ")]
    assert len(told) == 2
    assert all("(segment " in line for line in told)
    assert not any("(segment " in line for line in sampled if line.strip().startswith("one "))
    status = here("status", str(folder / "work"))
    assert "documents cut into" in status
    assert "remainders dropped" in status
