"""Memory against size: of a source file, of a part, of a single line."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.corpus import endless_texts, write_documents, write_line
from benchmarks.runs import Run, run
from benchmarks.tables import show

MB = 1_000_000
HEAD = (
    "case", "documents", "text MB", "parts", "worker MB", "driver MB", "JVM MB", "JVM live MB",
    "seconds",
)  # fmt: skip

CHEAP: tuple[Mapping[str, object], ...] = ({"language": {}}, {"exact_dedup": {}})
"""Stages of tens of MB/s, so that gigabytes pass in minutes."""


def configuration(folder: Path, **more: object) -> dict[str, object]:
    """All of one JSONL source through the cheap stages, and all that is unique into a mixture."""
    return {
        "workspace": str(folder / "work"),
        "sources": [{"name": "s", "path": str(folder / "*.jsonl*"), "format": "jsonl"}],
        "stages": list(CHEAP),
        "mixtures": [{"name": "main", "unique": "exact_cluster_id"}],
        **more,
    }


def row(case: str, done: Run) -> list[object]:
    """A run's line of the table."""
    return [
        case,
        done.documents,
        done.text_bytes / MB,
        done.figures["ingest"]["parts_made"],
        *(done.peaks.mb(kind) for kind in ("worker", "driver", "jvm")),
        done.heap_mb,
        done.seconds,
    ]


def _case(folder: Path, name: str, size: int, **more: object) -> list[object]:
    folder.mkdir()
    suffix = ".jsonl.zst" if name.endswith("zst") else ".jsonl"
    write_documents(folder / f"a{suffix}", endless_texts(), size)
    return row(name, run(folder, configuration(folder, **more)))


def source_size(folder: Path, scale: float) -> None:
    """One source file of 20 MB, 200 MB and 2 GB."""
    sizes = [("20 MB", 20), ("200 MB", 200), ("2 GB", 2000), ("2 GB .zst", 2000)]
    rows = (
        _case(folder / str(number), name, int(size * MB * scale))
        for number, (name, size) in enumerate(sizes)
    )
    show("Memory against the size of a source file", HEAD, rows)


def part_size(folder: Path, scale: float) -> None:
    """10 MB and 200 MB of documents in one part."""
    rows = (
        _case(folder / str(size), f"{size} MB .zst", int(size * MB * scale), part_bytes=10**10)
        for size in (10, 200)
    )
    show("Memory against the size of a part", HEAD, rows)


def line_size(folder: Path, scale: float) -> None:
    """A single line of 200 MB, which is a reject, and a document as large as is allowed."""
    cases = [("no long line", 0), ("document of 19 MB", 19), ("line of 200 MB", 200)]
    rows = (_line(folder / str(size), name, int(size * MB * scale)) for name, size in cases)
    show("Memory against the length of a line", HEAD, rows)


def _line(folder: Path, name: str, size: int) -> list[object]:
    folder.mkdir()
    write_line(folder / "a.jsonl", size)
    done = run(folder, configuration(folder, max_rejects=1.0))
    return row(f"{name}: {done.rejects or 'no rejects'}", done)
