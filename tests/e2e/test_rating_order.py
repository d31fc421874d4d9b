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


NEAR = """\
workspace: ./near
part_bytes: 30_000
sources: [{name: one, path: near.jsonl}]
stages:
  - language: {}
  - exact_dedup: {}
  - fuzzy_dedup: {threshold: 0.7}
  - perplexity: {model: ./model, slice_rows: 5, max_tokens: 60, rate: representatives}
  - quality: {rate: representatives}
"""
RATED = (("perplexity_status", "perplexity"), ("quality_status", "overall_score_expected"))


def near_corpus(folder: Path) -> Path:
    """Documents of which some repeat another one, and some all of it but its first sentence."""
    first = [each["text"] for each in make_documents(5, 36, repeats=100) if each["text"]]
    nearly = [text.partition("\n")[2] for text in first[::3]]
    texts = [*first, *nearly, *first[::5], *nearly[::4]]
    write_jsonl(folder / "near.jsonl", [{"text": text} for text in texts])
    configuration = folder / "near.yaml"
    configuration.write_text(NEAR)
    return configuration


def near_table(configuration: Path) -> list[dict[str, Any]]:
    output = configuration.with_suffix(".parquet")
    columns = ["duplicate_of", "exact_duplicate_of", *(name for pair in RATED for name in pair)]
    workspace = str(configuration.parent / "near")
    here("table", workspace, "--columns", ",".join(columns), "-o", str(output))
    found: list[dict[str, Any]] = pq.read_table(output).to_pylist()
    return found


def planned_ratings(*words: str) -> int:
    """How many documents a dry run says are to be scored, for certain."""
    steps: list[dict[str, Any]] = json.loads(here("run", *words, "--dry-run", "--json"))
    (found,) = (step["rating"] for step in steps if step["step"] == "perplexity")
    assert not found["bound"]
    return int(found["documents"])


def test_of_near_duplicates_the_representative_is_rated_for_all(corpus: Path) -> None:
    configuration = near_corpus(corpus.parent)
    words = (str(configuration), "--only", "perplexity,quality")
    figures = run_here(*words)
    rows = near_table(configuration)
    kept = {row["id"]: row for row in rows if row["duplicate_of"] is None}
    near = [row for row in rows if row["duplicate_of"] and not row["exact_duplicate_of"]]
    assert len(kept) >= 25
    assert len(near) >= 5
    for row in rows:
        first = kept[row["duplicate_of"] or row["id"]]
        for status, value in RATED:
            told = first[status]
            assert row[status] == ("copied" if told == "ok" and first is not row else told)
            assert row[value] == first[value]
    for stage in ("perplexity", "quality"):
        assert stage_figures(figures, stage)["computed"] == len(kept)
    # All are wanted: the others alone are rated. Representatives again: none is.
    configuration.write_text(NEAR.replace("representatives", "all"))
    assert planned_ratings(*words) == len(near)
    everyone = run_here(words[0], "--only", "perplexity")
    assert stage_figures(everyone, "perplexity")["computed"] == len(near)
    own = {row["id"]: row for row in near_table(configuration)}
    assert all(own[name]["perplexity"] == row["perplexity"] for name, row in kept.items())
    assert sum(own[row["id"]]["perplexity"] != row["perplexity"] for row in near) > len(near) / 2
    configuration.write_text(NEAR)
    assert planned_ratings(*words) == 0


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
