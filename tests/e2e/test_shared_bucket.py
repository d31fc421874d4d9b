"""Two workers that rate one workspace in a bucket, one of them killed: leases and slices there."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import ROOT, command, make_documents
from support.models import write_model
from support.object_store import environment, s3_server
from support.stages import make_documents_part

from pipeline.io.store import Store, open_store
from pipeline.io.workspace import Workspace
from raters.perplexity import Perplexity

URL = "s3://rating/work"
PARTS, EACH, SLICE = 2, 12, 4
CONFIGURATION = f"""\
workspace: {URL}
sources: [{{name: one, path: "*.jsonl"}}]
stages:
  - perplexity: {{model: ./model, engine: torch, slice_rows: {SLICE}}}
"""


@pytest.fixture(scope="module")
def bucket() -> Iterator[None]:
    """A server with an empty bucket, which this process and its children find."""
    with s3_server("rating") as settings, environment(settings):
        yield


def fill(folder: Path) -> dict[str, str]:
    """Put documents, as ingest leaves them, into the bucket; the texts by id."""
    workspace = Workspace(open_store(str(folder)))
    workspace.create()
    texts = [each["text"][:200] or "none" for each in make_documents(3, PARTS * EACH)]
    documents = [{"id": f"{row:032x}", "text": text} for row, text in enumerate(texts)]
    made = [
        make_documents_part(folder, f"000001-{n:06d}-0000", documents[n * EACH :][:EACH], 5)
        for n in range(PARTS)
    ]
    record = {"documents": len(texts), "inputs": [], "read": {}, "share": 1.0, "replaces": False}
    workspace.commit_generation(1, made, record)
    there = open_store(URL)
    for entry in workspace.store.list():
        assert there.create(entry.path, workspace.store.read(entry.path))
    return {str(document["id"]): document["text"] for document in documents}


def start(configuration: Path, ledger: Path) -> "subprocess.Popen[str]":
    """A worker that dies before it commits its first slice, if it is the first to get there."""
    settings = {
        "PYTHONPATH": str(ROOT),
        "WINNOW_LEASE_SECONDS": "1.2",
        "WINNOW_FAULT": f"slice.part.before:{ledger}",
    }
    return subprocess.Popen(
        command("rate-worker", str(configuration), "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **settings},
    )


def committed(store: Store, marks: str) -> list[str]:
    """The objects of the stage whose names hold this."""
    return [entry.path for entry in store.list("columns") if marks in entry.path]


def test_one_of_two_killed_the_other_rates_the_rest(bucket: None, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model")
    configuration = tmp_path / "winnow.yaml"
    configuration.write_text(CONFIGURATION)
    texts = fill(tmp_path / "local")
    workers = [start(configuration, tmp_path / "ledger") for _ in range(2)]
    try:
        told = [worker.communicate(timeout=300) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    codes = [worker.returncode for worker in workers]
    assert sorted(codes) == [-signal.SIGKILL, 0], told
    (figures,) = json.loads(told[codes.index(0)][0])["stages"]
    store = open_store(URL)
    slices = committed(store, "/_slices/")
    assert len([path for path in slices if ".lease." not in path]) == PARTS * EACH // SLICE
    # The dead worker had committed nothing; its lease was not waited for in vain.
    assert (figures["computed"], figures["doubled"], figures["in_force"]) == (len(texts), 0, True)
    found: dict[str, tuple[str, float]] = {}
    parts = [path for path in committed(store, ".parquet") if "/_" not in path]
    for number, path in enumerate(sorted(parts)):
        table = pq.read_table(pa.BufferReader(store.read(path)))
        rows = [table.column(name).to_pylist() for name in ("perplexity_status", "nll_per_token")]
        ids = [*texts][number * EACH :][:EACH]
        found |= dict(zip(ids, zip(*rows, strict=True), strict=True))
    batch = pa.record_batch([pa.array(texts.values())], ["text"])
    wanted = Perplexity(model=str(tmp_path / "model")).apply(batch).column("nll_per_token")
    assert [status for status, _ in found.values()] == ["ok"] * len(texts)
    assert [nll for _, nll in found.values()] == pytest.approx(wanted.to_pylist(), abs=1e-4)
