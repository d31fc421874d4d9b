"""A crawl, broken archives of every kind and a mixed corpus of 13,000 documents in one run."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from support import run_json, winnow

CONFIGURATION = """\
workspace: {work}
max_rejects: 1.0
sources:
  - name: mixed
    path: {data}/corpus/mixed.jsonl.zst
    columns: {{collection: source}}
  - name: pages
    path: {data}/extract/pages.warc.gz
  - name: archives
    path: {data}/warc
stages:
  - language: {{}}
  - signals: {{}}
  - tokens: {{}}
  - exact_dedup: {{}}
mixtures:
  - name: main
    where: gopher_quality
    unique: exact_cluster_id
    strata: [source, language]
    tokens: 2_000_000
    tokenizer: shipped
"""
WHOLE_FILE = ("unreadable", "unknown_format")


@pytest.fixture(scope="module")
def work(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace after the run; `figures.json` beside it says what the run did."""
    folder = tmp_path_factory.mktemp("real")
    configuration = folder / "real.yaml"
    configuration.write_text(
        CONFIGURATION.format(work=folder / "work", data=(shared / "data").resolve())
    )
    (folder / "figures.json").write_text(json.dumps(run_json(str(configuration))))
    return folder / "work"


def inputs(work: Path) -> dict[str, dict[str, Any]]:
    """What became of each file, by source and path."""
    record = json.loads((work / "documents/_index/000001/generation.json").read_text())
    return {f"{item['source']}/{item['path']}": item for item in record["inputs"]}


def test_rows_balance_at_every_stage(work: Path) -> None:
    figures = json.loads((work.parent / "figures.json").read_text())
    documents = 0
    for item in inputs(work).values():
        lost = sum(item["rejects"].values()) + sum(item["passed_over"].values())
        assert item["records"] == item["documents"] + lost, item["path"]
        documents += item["documents"]
    for stage in figures["stages"]:
        assert stage["documents"] == documents
        assert stage["measured"] + stage["skipped"] + stage["failed"] == documents
    rejects = sum(pq.read_table(path).num_rows for path in work.glob("rejects/**/*.parquet"))
    assert rejects == sum(sum(item["rejects"].values()) for item in inputs(work).values())


def test_records_agree_with_the_reference(work: Path, shared: Path) -> None:
    lines = (shared / "data/warc/MANIFEST.tsv").read_text().splitlines()
    found = inputs(work)
    checked = 0
    for row in csv.DictReader(lines[1:], delimiter="\t"):
        source = "pages" if row["file"].startswith("extract/") else "archives"
        item = found[f"{source}/{row['file'].partition('/')[2]}"]
        broken = sum(item["rejects"].get(reason, 0) for reason in WHOLE_FILE)
        if row["err"]:
            # tests/io/test_warc.py says why some are read on where the reference gave up
            assert broken == 1 or item["records"] > int(row["records"]), row["file"]
        elif not row["file"].endswith("lonely-warcinfo-metadata.warc"):
            assert not broken, row["file"]
            assert item["records"] == int(row["records"]), row["file"]
            checked += 1
    assert checked > 70


def test_a_file_of_no_known_format_is_one_reject(work: Path) -> None:
    found = inputs(work)
    for path in ("warc-resiliparse/warcfile.warc.lz4", "MANIFEST.tsv"):
        assert found[f"archives/{path}"]["rejects"] == {"unknown_format": 1}
        assert found[f"archives/{path}"]["records"] == 1


def test_the_exact_duplicates_are_found(work: Path) -> None:
    output = work.parent / "clusters.parquet"
    columns = "source,exact_cluster_id"
    done = winnow("table", str(work), "--columns", columns, "-o", str(output))
    assert done.returncode == 0, done.stderr
    table = pq.read_table(output)
    mixed = table.filter(pc.equal(table["source"], "mixed"))
    assert mixed.num_rows - pc.count_distinct(mixed["exact_cluster_id"]).as_py() == 351


def test_the_mixture_verifies(work: Path) -> None:
    check = winnow("verify", str(work / "mixtures/main"), "--workspace", str(work))
    assert check.returncode == 0, check.stdout
