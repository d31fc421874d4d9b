"""Selecting from columns alone: time and memory against the number of rows, beside two others."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.processes import Watch
from benchmarks.rows import write_columns
from benchmarks.runs import ROOT
from benchmarks.tables import show

SIZES = (1_000_000, 10_000_000, 100_000_000)
BUDGET_SHARE = 0.2
WAYS = (
    ("gumbel", "winnow"),
    ("gumbel", "duckdb"),
    ("gumbel", "numpy"),
    ("top_k", "winnow"),
    ("top_k", "duckdb"),
    ("unique", "winnow"),
    ("unique", "duckdb"),
)
HEAD = (
    "rows", "case", "how", "seconds", "processor s", "again", "processor s", "Python MB", "JVM MB",
    "documents",
)  # fmt: skip


def selection(folder: Path, scale: float, sizes: Sequence[int] = SIZES) -> None:
    """1, 10 and 100 million rows (--rows): a fifth of the tokens, by source and domain."""
    rows = (row for size in sizes for row in _size(folder, int(size * scale)))
    show("Selection against the number of rows", HEAD, rows)


def _size(folder: Path, rows: int) -> Iterator[list[object]]:
    here = folder / str(rows)
    tokens = write_columns(here, rows)
    for case, how in WAYS:
        yield [rows, case, how, *_measure(case, how, here, int(tokens * BUDGET_SHARE))]
    shutil.rmtree(here)


def _measure(case: str, how: str, folder: Path, tokens: int) -> list[object]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.selections", case, how, str(folder), str(tokens)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with Watch(process.pid) as watch:
        told, messages = process.communicate()
    if process.returncode:
        return [messages.strip().splitlines()[-1][:60] if messages else "failed", *[""] * 6]
    found = json.loads(told.splitlines()[-1])
    times: list[object] = []
    for began, ended in found["spans"]:
        times += [round(ended - began, 1), round(watch.peaks.between(began, ended), 1)]
    times += [""] * (4 - len(times))
    held = round(watch.peaks.python / 1e6)
    return [*times, held, watch.peaks.mb("jvm"), found["documents"]]
