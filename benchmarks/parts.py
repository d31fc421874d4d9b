"""Time and memory against the number of parts, each of a few rows."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.corpus import endless_rows, write_documents
from benchmarks.runs import Run, run
from benchmarks.tables import show

PART_BYTES = 600
"""About three rows of the sample's lines."""

HEAD = (
    "parts", "run", "ingest ms/part", "map ms/part", "relational ms/part", "mixture ms/part",
    "seconds", "driver MB", "worker MB", "JVM MB", "JVM live MB",
)  # fmt: skip


def configuration(folder: Path) -> dict[str, object]:
    """Every stage of the engine: a sweep, a relational stage, a selection, shards."""
    return {
        "workspace": str(folder / "work"),
        "part_bytes": PART_BYTES,
        "sources": [{"name": "s", "path": str(folder / "a.jsonl")}],
        "stages": [{"language": {}}, {"tokens": {}}, {"exact_dedup": {}}],
        "mixtures": [
            {
                "name": "main",
                "where": "language = 'en'",
                "unique": "exact_cluster_id",
                "tokens": 100_000,
                "tokenizer": "shipped",
            }
        ],
    }


def _row(parts: int, name: str, done: Run) -> list[object]:
    def each(seconds: float) -> float:
        return round(seconds * 1000 / parts, 2)

    mixture = sum(m["seconds"] for m in done.figures["mixtures"])
    return [
        parts,
        name,
        each(done.figures["ingest"]["seconds"]),
        each(sum(done.stage(n)["seconds"] for n in ("language", "tokens"))),
        each(done.stage("exact_dedup")["seconds"]),
        each(mixture),
        done.seconds,
        *(done.peaks.mb(kind) for kind in ("driver", "worker", "jvm")),
        done.heap_mb,
    ]


def tiny_parts(folder: Path, scale: float) -> None:
    """5,000 and 50,000 parts, each run twice: the second time nothing has changed."""
    title = "Time and memory against the number of parts"
    show(title, HEAD, (row for wanted in (5_000, 50_000) for row in _twice(folder, wanted, scale)))


def _twice(folder: Path, wanted: int, scale: float) -> Iterator[list[object]]:
    here = folder / str(wanted)
    here.mkdir()
    write_documents(here / "a.jsonl", endless_rows(), int(wanted * scale) * PART_BYTES)
    first = run(here, configuration(here))
    parts = first.figures["ingest"]["parts_made"]
    yield _row(parts, "first", first)
    yield _row(parts, "again", run(here, configuration(here)))
