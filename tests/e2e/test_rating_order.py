"""Rating comes after exact_dedup: copies are not rated, and a run shares the work with workers."""

import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support import (
    CONFIGURATION,
    ROOT,
    command,
    differing,
    here,
    make_corpus,
    make_documents,
    run_here,
    stage_figures,
    winnow,
    write_jsonl,
)  # fmt: skip
from support.models import write_model

pytestmark = pytest.mark.usefixtures("spark")

STAGE = """\
  - exact_dedup: {}
  - perplexity: {model: ./model, slice_rows: 7, max_tokens: 60, where: "n_words > 0"}
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A tiny corpus in which every third document repeats another one."""
    configuration = make_corpus(tmp_path)
    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model")
    configuration.write_text(CONFIGURATION.replace("  - exact_dedup: {}\n", STAGE))
    return configuration


def table(corpus: Path, folder: Path) -> list[dict[str, Any]]:
    """What is known of every document."""
    columns = "exact_duplicate_of,n_words,perplexity_status,perplexity,n_scored_tokens"
    output = folder / "table.parquet"
    here("table", str(corpus.parent / "work"), "--columns", columns, "-o", str(output))
    found: list[dict[str, Any]] = pq.read_table(output).to_pylist()
    return found


def check(rows: list[dict[str, Any]]) -> Counter[str]:
    """Every row has what its text is owed; how many rows there are by status."""
    kept = {row["id"]: row for row in rows if row["exact_duplicate_of"] is None}
    for row in rows:
        first = kept[row["exact_duplicate_of"] or row["id"]]
        told = "skipped" if not row["n_words"] else "ok" if first is row else "copied"
        assert row["perplexity_status"] == told
        assert row["perplexity"] == first["perplexity"]
        assert row["n_scored_tokens"] == first["n_scored_tokens"]
        assert (row["perplexity"] is None) == (told == "skipped")
    return Counter(row["perplexity_status"] for row in rows)


def test_copies_take_the_values_of_the_row_that_is_kept(corpus: Path, tmp_path: Path) -> None:
    figures = stage_figures(run_here(str(corpus), "--only", "perplexity"), "perplexity")
    found = check(table(corpus, tmp_path))
    assert min(found.values()) > 10
    assert figures["computed"] == found["ok"]
    assert figures["measured"] == found["ok"] + found["copied"]
    assert figures["skipped"] == found["skipped"]
    # A new copy, and a new document.
    (old,) = pq.read_table(next((tmp_path / "work/documents").glob("*.parquet"))).slice(0, 1)[
        "text"
    ]
    repeats = [{"text": str(old)}, {"text": "These words are new."}]
    write_jsonl(tmp_path / "one/b.jsonl", repeats if str(old) else make_documents(8, 2))
    again = stage_figures(run_here(str(corpus), "--only", "perplexity"), "perplexity")
    assert again["computed"] <= 2
    assert check(table(corpus, tmp_path)).total() == found.total() + 2


def test_a_worker_rates_and_a_run_does_the_rest(corpus: Path, tmp_path: Path) -> None:
    other, alone = f"workspace={tmp_path / 'other'}", f"workspace={tmp_path / 'alone'}"
    run_here(str(corpus), "--set", alone)
    words = ("rate-worker", str(corpus), "--set", other, "--json")
    run_here(str(corpus), "--set", other, "--until", "signals")
    early = winnow(*words)
    assert early.returncode == 1
    assert "--until exact_dedup" in early.stderr
    run_here(str(corpus), "--set", other, "--until", "exact_dedup")
    (rated,) = json.loads(winnow(*words).stdout)["stages"]
    assert rated["in_force"]
    figures = stage_figures(run_here(str(corpus), "--set", other), "perplexity")
    assert figures["computed"] == 0
    assert figures["parts_made"] > 0
    assert differing(tmp_path / "other", tmp_path / "alone") == []


def test_a_run_and_a_worker_at_once(corpus: Path, tmp_path: Path) -> None:
    other, alone = tmp_path / "other", tmp_path / "alone"
    run_here(str(corpus), "--set", f"workspace={alone}")
    run_here(str(corpus), "--set", f"workspace={other}", "--until", "exact_dedup")
    words = ["rate-worker", str(corpus), "--set", f"workspace={other}", "--json"]
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command(*words), stdout=subprocess.PIPE, env=settings, cwd=ROOT
    ) as worker:
        figures = stage_figures(run_here(str(corpus), "--set", f"workspace={other}"), "perplexity")
        told = json.loads(worker.communicate(timeout=200)[0])
    rated = sum(stage["computed"] - stage["doubled"] for stage in told["stages"])
    found = Counter(
        status
        for path in (alone / "columns/perplexity").glob("*/*.parquet")
        for status in pq.read_table(path).column("perplexity_status").to_pylist()
    )
    assert figures["computed"] - figures["doubled"] + rated == found["ok"]
    assert differing(other, alone) == []
