"""A whole run on mixed documents and near copies of them, beside datatrove's pipeline."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.corpus import perturbed_texts, write_documents
from benchmarks.peers import environment
from benchmarks.runs import ROOT, Run, run
from benchmarks.tables import show

MB = 1_000_000
SIZE, PEER_SIZE = 400 * MB, 4 * MB
STAGES = ("language", "signals", "exact_dedup", "fuzzy_dedup")


def configuration(folder: Path, budget: int) -> dict[str, object]:
    """From JSONL to a mixture of a number of bytes, of each near duplicate the longest."""
    return {
        "workspace": str(folder / "work"),
        "sources": [{"name": "mixed", "path": str(folder / "mixed.jsonl")}],
        "stages": [{name: {}} for name in STAGES],
        "mixtures": [
            {
                "name": "main",
                "where": "gopher_repetition and n_words >= 20",
                "unique": "cluster_id",
                "score": "n_words",
                "budget_unit": "bytes",
                "tokens": budget,
            }
        ],
    }


def whole(folder: Path, scale: float) -> None:
    """Every step of a run over 400 MB of JSONL, and datatrove's filters and MinHash on 4 MB."""
    source = folder / "mixed.jsonl"
    write_documents(source, perturbed_texts(), int(SIZE * scale))
    size = source.stat().st_size / MB
    done = run(folder, configuration(folder, int(SIZE * scale / 10)))
    title = f"A whole run over {size:.0f} MB of JSONL, {done.documents:,} documents"
    show(title, ("step", "seconds", "MB/s"), _rows(done, size))
    ours = size / (done.figures["seconds"] - done.figures["spark_seconds"])
    theirs, part = _datatrove(folder)
    show(
        f"The same cores, MB of JSONL per second (datatrove: {part:.1f} MB)",
        ("Winnow, without Spark's start", "datatrove, without its processes' start", "times"),
        [(f"{ours:.2f}", f"{theirs:.2f}", round(ours / theirs))],
    )


def _rows(done: Run, size: float) -> Iterator[list[object]]:
    figures = done.figures
    spark = figures["spark_seconds"]
    steps = {
        "Spark's start": spark,
        "ingest": figures["ingest"]["seconds"],
        **{name: done.stage(name)["seconds"] for name in STAGES},
        "selection and write-out": sum(m["seconds"] for m in figures["mixtures"]),
    }
    for name, seconds in steps.items():
        yield [name, round(seconds, 1), size / seconds if seconds is not spark else "-"]
    yield [
        "all but Spark's start",
        round(figures["seconds"] - spark, 1),
        size / (figures["seconds"] - spark),
    ]


def _datatrove(folder: Path) -> tuple[float, float]:
    """MB of JSONL per second, and of how many MB: with the time of next to nothing taken off."""
    cores = len(os.sched_getaffinity(0))
    start, _ = _peer_run(folder / "few", 1000, cores)
    seconds, size = _peer_run(folder / "part", PEER_SIZE, cores)
    return size / (seconds - start), size


def _peer_run(folder: Path, size: int, cores: int) -> tuple[float, float]:
    """Seconds for about `size` bytes in a file for each core, and how many MB there are."""
    source = folder / "in"
    source.mkdir(parents=True)
    for core in range(cores):
        # Every thirteenth document is as mixed as the whole.
        texts = itertools.islice(perturbed_texts(), core, None, 13)
        write_documents(source / f"{core}.jsonl", texts, size // cores)
    words = [str(environment()), str(ROOT / "benchmarks" / "peer_pipeline.py")]
    words += [str(source), str(folder), str(cores)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"datatrove ended with {done.returncode}: {done.stderr}")
    written = sum(path.stat().st_size for path in source.iterdir())
    return float(done.stdout.splitlines()[-1]), written / MB
