"""A source whose reader crashes and hangs, through the real task runner."""

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.traps import install_trap

from pipeline.io.generations import IngestOptions
from pipeline.io.inputs import find_inputs
from pipeline.io.records import ReadOptions
from pipeline.io.store import open_store
from pipeline.io.workspace import Workspace
from pipeline.spark.ingest import ingest
from pipeline.spark.tasks import Silent

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_ingest_survives_records_that_its_reader_does_not(
    spark: "SparkSession", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spark.sparkContext.addPyFile(str(install_trap(tmp_path, monkeypatch)))
    words = [f"{'word ' * 40}{number}" for number in range(60)]
    words[20], words[30], words[45] = "crash", "hang", "raise"
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.trap").write_text("".join(f"{word}\n" for word in words))
    (tmp_path / "in/b.trap").write_text("sound\n")
    inputs = {"s": find_inputs("s", [str(tmp_path / "in")], None)}
    read = {"s": ReadOptions(record_seconds=1.0)}
    options = IngestOptions(2000, 0.5, accept_changes=False, read=read)
    workspace = Workspace(open_store(str(tmp_path / "work")))
    workspace.create()
    figures = ingest(workspace, inputs, options, lambda: spark, Silent()).sources["s"]
    assert figures.rejects == {"crashed": 2, "timeout": 1}
    assert (figures.records, figures.documents) == (61, 58)
    parts = sorted((tmp_path / "work/documents").glob("*.parquet"))
    texts = pa.concat_tables(map(pq.read_table, parts))["text"].to_pylist()
    assert texts == [w for w in words if w not in ("crash", "hang", "raise")] + ["sound"]
