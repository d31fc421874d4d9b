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


def one_part(folder: Path, size: int) -> dict[str, object]:
    """The configuration that puts `size` bytes of documents in one part.

    A part holds no more than a 64th of its generation, so a file that is only large, and of no
    format, stands beside the documents: it takes no room on the disk, and is one reject.
    """
    with (folder / "beside.bin").open("wb") as file:
        file.truncate(2 * size * 64)
    source = {"name": "s", "path": [str(folder / "a.jsonl"), str(folder / "beside.bin")]}
    return configuration(folder, sources=[source], part_bytes=10**10, max_rejects=1.0)


def source_size(folder: Path, scale: float) -> None:
    """One source file of 20 MB, 200 MB and 2 GB."""

    def case(name: str, size: int) -> list[object]:
        here = folder / name.replace(" ", "-")
        here.mkdir()
        path = here / ("a.jsonl.zst" if name.endswith("zst") else "a.jsonl")
        write_documents(path, endless_texts(), int(size * MB * scale))
        return row(name, run(here, configuration(here)))

    sizes = [("20 MB", 20), ("200 MB", 200), ("2 GB", 2000), ("2 GB .zst", 2000)]
    show("Memory against the size of a source file", HEAD, (case(*item) for item in sizes))


def part_size(folder: Path, scale: float) -> None:
    """10, 50 and 200 MB of documents in one part."""

    def case(size: int) -> list[object]:
        here = folder / str(size)
        here.mkdir()
        write_documents(here / "a.jsonl", endless_texts(), int(size * MB * scale))
        return row(f"{size} MB", run(here, one_part(here, int(size * MB * scale))))

    show("Memory against the size of a part", HEAD, (case(size) for size in (10, 50, 200)))


def line_size(folder: Path, scale: float) -> None:
    """A single line of 200 MB, which is a reject, and a document as large as is allowed."""

    def case(name: str, size: int) -> list[object]:
        here = folder / str(size)
        here.mkdir()
        write_line(here / "a.jsonl", int(size * MB * scale))
        done = run(here, configuration(here, max_rejects=1.0))
        return row(f"{name}: {done.rejects or 'no rejects'}", done)

    cases = [("no long line", 0), ("document of 19 MB", 19), ("line of 200 MB", 200)]
    show("Memory against the length of a line", HEAD, (case(*item) for item in cases))
