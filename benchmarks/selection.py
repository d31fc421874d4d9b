"""Selecting from columns alone: time and memory against the number of rows, beside two others."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.processes import Watch
from benchmarks.runs import ROOT
from benchmarks.tables import show
from pipeline.io.parts import GROUP_ROWS, PartWriter
from pipeline.io.store import open_store
from pipeline.io.workspace import DocumentsPart, Workspace
from schemas.tables import DOCUMENTS

SCHEMA = pa.schema(
    [
        *DOCUMENTS,
        pa.field("score", pa.float64()),
        pa.field("n_tokens", pa.int64()),
        pa.field("domain", pa.string()),
    ]
)
SOURCES = ("web", "code", "books", "papers", "forum")
PART_ROWS = 1_000_000
BUDGET_SHARE = 0.2
HEAD = (
    "rows", "how", "seconds", "again, other temperature", "driver MB", "worker MB", "JVM MB",
    "documents",
)  # fmt: skip


def selection(folder: Path, scale: float) -> None:
    """1, 10 and 100 million rows: Gumbel within source and domain, a fifth of the tokens."""
    sizes = [int(size * scale) for size in (1_000_000, 10_000_000, 100_000_000)]
    show("Selection against the number of rows", HEAD, (r for s in sizes for r in _size(folder, s)))


def _size(folder: Path, rows: int) -> Iterator[list[object]]:
    here = folder / str(rows)
    write_columns(here, rows)
    for how in ("winnow", "duckdb", "numpy"):
        yield [rows, how, *_measure(how, here)]


def _measure(how: str, folder: Path) -> list[object]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.selections", how, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with Watch(process.pid) as watch:
        told, messages = process.communicate()
    if process.returncode:
        return [messages.strip().splitlines()[-1][:60] if messages else "failed", *[""] * 5]
    found = json.loads(told.splitlines()[-1])
    peaks = [watch.peaks.mb(kind) for kind in ("driver", "worker", "jvm")]
    return [found["seconds"], found["again"], *peaks, found["documents"]]


def write_columns(folder: Path, rows: int) -> None:
    """A workspace of documents without text, with marginals as corpora have them."""
    workspace = Workspace(open_store(str(folder)))
    workspace.create()
    parts = []
    for number, start in enumerate(range(0, rows, PART_ROWS)):
        generator = np.random.default_rng([7, number])
        name = f"000000-000000-{number:06d}"
        path = f"documents/{name}.parquet"
        with PartWriter(workspace.store, path, SCHEMA) as writer:
            for first in range(start, min(rows, start + PART_ROWS), GROUP_ROWS):
                batch = _batch(generator, min(GROUP_ROWS, rows - first, start + PART_ROWS - first))
                writer.write(batch, batch.column("id"))
            footer, _ = writer.commit({}, "ingest.part")
        parts.append(DocumentsPart(name, "web", footer.rows, 0, footer.ids, footer.digest))
    record = {"inputs": [], "replaces": False}
    workspace.commit_generation(0, parts, record)


def _batch(generator: np.random.Generator, rows: int) -> pa.RecordBatch:
    """Ratings that crowd at 4, long-tailed lengths, a few large sources and domains."""
    source = generator.choice(len(SOURCES), rows, p=[0.7, 0.12, 0.08, 0.06, 0.04])
    popularity = 1.0 / np.arange(1, 16)
    domain = generator.choice(15, rows, p=popularity / popularity.sum())
    quality = 1 + 4 * generator.beta(5, 2, rows)
    tokens = np.clip(generator.lognormal(6.2, 1.1, rows), 1, 200_000).astype(np.int64)
    digits = generator.integers(0, 16, (rows, 32), dtype=np.uint8)
    characters = np.frombuffer(b"0123456789abcdef", np.uint8)[digits]
    offsets = np.arange(0, 32 * rows + 1, 32, dtype=np.int32)
    ids = pa.Array.from_buffers(
        pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(characters)]
    )
    letters = pa.array([chr(65 + i) for i in range(15)])
    columns = {
        "id": ids,
        "text": pa.repeat(pa.scalar("", pa.string()), rows),
        "url": pa.nulls(rows, pa.string()),
        "source": pa.array(SOURCES).take(pa.array(source)),
        "source_id": pa.nulls(rows, pa.string()),
        "source_path": pa.repeat(pa.scalar("s", pa.string()), rows),
        "source_offset": pa.array(np.arange(rows)),
        "n_bytes": pa.array(tokens * 4),
        "n_chars": pa.array(tokens * 4),
        "score": pa.array(quality),
        "n_tokens": pa.array(tokens),
        "domain": letters.take(pa.array(domain)),
    }
    return pa.RecordBatch.from_arrays([columns[n] for n in SCHEMA.names], schema=SCHEMA)
