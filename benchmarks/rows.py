"""A workspace of many rows of columns without text, written part by part."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
        pa.field("cluster_id", pa.string()),
    ]
)
SOURCES = ("web", "code", "books", "papers", "forum")
PART_ROWS = 1_000_000
COPIED = 0.3
"""So large a share of the documents is in a cluster with others, mostly of few, some of many."""


def write_columns(folder: Path, rows: int) -> int:
    """Documents with marginals as corpora have them; says how many tokens they have."""
    workspace = Workspace(open_store(str(folder)))
    workspace.create()
    starts = range(0, rows, PART_ROWS)
    with ProcessPoolExecutor(2) as pool:
        found = pool.map(_write_part, *zip(*((str(folder), s, rows) for s in starts), strict=True))
        parts, tokens = zip(*found, strict=True)
    workspace.commit_generation(0, parts, {"inputs": [], "replaces": False})
    return sum(tokens)


def _write_part(folder: str, start: int, rows: int) -> tuple[DocumentsPart, int]:
    generator = np.random.default_rng([7, start // PART_ROWS])
    name = f"000000-000000-{start // PART_ROWS:06d}"
    end, tokens = min(rows, start + PART_ROWS), 0
    with PartWriter(open_store(folder), f"documents/{name}.parquet", SCHEMA) as writer:
        for first in range(start, end, GROUP_ROWS):
            batch = _batch(generator, min(GROUP_ROWS, end - first), rows)
            writer.write(batch, batch.column("id"))
            tokens += pc.sum(batch.column("n_tokens")).as_py()
        footer, _ = writer.commit({}, "ingest.part")
    return DocumentsPart(name, "web", footer.rows, 0, footer.ids, footer.digest), tokens


def _batch(generator: np.random.Generator, rows: int, of: int) -> pa.RecordBatch:
    """Ratings that crowd at 4, long-tailed lengths, a few large sources and domains."""
    source = generator.choice(len(SOURCES), rows, p=[0.7, 0.12, 0.08, 0.06, 0.04])
    popularity = 1.0 / np.arange(1, 16)
    domain = generator.choice(15, rows, p=popularity / popularity.sum())
    quality = 1 + 4 * generator.beta(5, 2, rows)
    tokens = np.clip(generator.lognormal(6.2, 1.1, rows), 1, 200_000).astype(np.int64)
    names = generator.integers(0, 2**64, (rows, 2), dtype=np.uint64)
    letters = pa.array([chr(65 + i) for i in range(15)])
    columns = {
        "id": _hex(names),
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
        "cluster_id": _hex(_clusters(generator, names, of)),
    }
    return pa.RecordBatch.from_arrays([columns[n] for n in SCHEMA.names], schema=SCHEMA)


def _clusters(
    generator: np.random.Generator, names: np.ndarray, of: int
) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    """A document's own name, or that of one of many clusters, the first of which are large."""
    number = (generator.random(len(names)) ** 3 * of * COPIED / 4).astype(np.uint64)
    mixed = (number + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    shared = np.stack([mixed, mixed ^ (mixed >> np.uint64(31))], axis=1)
    copied = generator.random((len(names), 1)) < COPIED
    return np.where(copied, shared, names)


def _hex(words: np.ndarray) -> pa.Array:
    """128 bits as 32 hex digits."""
    data = np.ascontiguousarray(words).view(np.uint8).reshape(len(words), 16)
    digits = np.stack([data >> 4, data & 15], axis=2).reshape(-1)
    characters = np.frombuffer(b"0123456789abcdef", np.uint8)[digits]
    offsets = np.arange(0, 32 * len(words) + 1, 32, dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(characters)]
    return pa.Array.from_buffers(pa.string(), len(words), buffers)
