"""A run does what is not done yet and nothing else; the order of the work leaves no trace."""

import os
from pathlib import Path
from typing import Any

import pytest
from support import (
    CONFIGURATION,
    contents,
    differing,
    here,
    make_corpus,
    make_documents,
    run_here,
    stage_figures,
    winnow,
    write_jsonl,
)  # fmt: skip

from jobs.cli import run

pytestmark = pytest.mark.usefixtures("spark")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return make_corpus(tmp_path)


def made(figures: dict[str, Any]) -> int:
    """The parts that the stages of a run made."""
    return sum(stage["parts_made"] for stage in figures["stages"])


def test_a_threshold_reruns_only_the_selection(corpus: Path) -> None:
    run_here(str(corpus))
    work = corpus.parent / "work"
    before = contents(work)
    corpus.write_text(CONFIGURATION.replace("n_words >= 10", "n_words >= 100"))
    figures = run_here(str(corpus))
    assert made(figures) == figures["ingest"]["parts_made"] == 0
    after = contents(work)
    kept = [name for name in before if not name.startswith("mixtures/")]
    assert all(after[name] == before[name] for name in kept)
    assert after["mixtures/main/manifest.json"] != before["mixtures/main/manifest.json"]


def test_an_added_file_is_all_that_is_measured(corpus: Path, tmp_path: Path) -> None:
    first = run_here(str(corpus))
    write_jsonl(corpus.parent / "one" / "b.jsonl", make_documents(5, 30, repeats=100))
    second = run_here(str(corpus))
    added = 30 - 5  # some are empty
    assert second["ingest"]["new_files"] == 1
    assert second["ingest"]["parts_made"] < first["ingest"]["parts_made"]
    for name in ("signals", "tokens"):
        assert stage_figures(second, name)["computed"] == added, name
        found = stage_figures(second, name)
        assert found["parts_made"] == second["ingest"]["parts_made"]
        assert found["parts_found"] == first["ingest"]["parts_made"]
    other = tmp_path / "together"
    run_here(str(corpus), "--set", f"workspace={other}")
    assert differing(other, corpus.parent / "work", "mixtures/main") == []


WHERE = "  - signals: {where: \"kind = 'prose'\"}"


def test_a_wider_where_computes_only_the_rows_it_admits(corpus: Path, tmp_path: Path) -> None:
    narrow = CONFIGURATION.replace("  - signals: {}", WHERE)
    corpus.write_text(narrow)
    first = stage_figures(run_here(str(corpus), "--until", "signals"), "signals")
    wide = narrow.replace("kind = 'prose'", "kind in ('prose', 'list')")
    corpus.write_text(wide)
    second = stage_figures(run_here(str(corpus), "--until", "signals"), "signals")
    assert 0 < first["computed"] < first["documents"]
    assert first["skipped"] == first["documents"] - first["computed"]
    assert second["kept"] == first["computed"]
    assert second["computed"] == first["skipped"]
    other = tmp_path / "at-once"
    run_here(str(corpus), "--set", f"workspace={other}", "--until", "signals")
    ours, theirs = (read_signals(folder) for folder in (corpus.parent / "work", other))
    assert ours == theirs


def read_signals(work: Path) -> list[dict[str, Any]]:
    """The signals in force."""
    from pipeline.io.parts import read_table
    from pipeline.io.store import open_store
    from pipeline.io.workspace import Workspace, columns_path

    workspace = Workspace(open_store(str(work)))
    record = workspace.stage("signals")
    assert record is not None
    paths = [
        columns_path("signals", record.fingerprint, part.part, part.key)
        for part in sorted(record.parts.values(), key=lambda part: part.part)
    ]
    return [row for path in paths for row in read_table(workspace.store, path).to_pylist()]


def test_the_size_of_a_part_leaves_no_trace_in_the_mixture(corpus: Path, tmp_path: Path) -> None:
    run_here(str(corpus))
    other = tmp_path / "large-parts"
    run_here(str(corpus), "--set", f"workspace={other}", "--set", "part_bytes=1_000_000")
    assert len(contents(other / "documents")) < len(contents(corpus.parent / "work/documents"))
    assert differing(other, corpus.parent / "work", "mixtures/main") == []


def identifiers(work: Path) -> list[str]:
    """The ids of all documents that an index names, in order of the parts."""
    from pipeline.io.parts import batches
    from pipeline.io.store import open_store
    from pipeline.io.workspace import Workspace

    workspace = Workspace(open_store(str(work)))
    return [
        name
        for part in workspace.documents()
        for batch in batches(workspace.store, part.path, ["id"])
        for name in batch.column(0).to_pylist()
    ]


def test_an_unfinished_ingest_of_other_inputs_is_given_up(corpus: Path, tmp_path: Path) -> None:
    killed = winnow(
        "run", str(corpus), WINNOW_FAULT=f"ingest.index.before:{tmp_path / 'ledger'}",
        WINNOW_FAULT_TARGET="driver",
    )  # fmt: skip
    assert killed.returncode == -9
    write_jsonl(corpus.parent / "one" / "a.jsonl", make_documents(9, 50))
    run_here(str(corpus))
    work = corpus.parent / "work"
    other = tmp_path / "at-once"
    run_here(str(corpus), "--set", f"workspace={other}")
    assert sorted(identifiers(work)) == sorted(identifiers(other))
    assert differing(other, work, "mixtures/main") == []
    assert " in documents" in here("clean", str(work), "--all")
    assert sorted(identifiers(work)) == sorted(identifiers(other))
    assert made(run_here(str(corpus))) == 0


def test_a_changed_input_is_an_error_until_it_is_accepted_or_read_anew(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_here(str(corpus))
    work = corpus.parent / "work"
    before = identifiers(work)
    os.utime(corpus.parent / "two" / "a.jsonl", (1, 1))
    assert made(run_here(str(corpus))) == 0
    write_jsonl(corpus.parent / "two" / "a.jsonl", make_documents(11, 30))
    assert run(["run", str(corpus)]) == 1
    assert "source two: a.jsonl has changed" in capsys.readouterr().err
    assert made(run_here(str(corpus), "--accept-changes")) == 0
    assert identifiers(work) == before
    anew = run_here(str(corpus), "--reingest")
    assert anew["ingest"]["sources"]["two"]["records"] == 30
    assert len(identifiers(work)) < len(before)
    here("clean", str(work), "--all")
    assert made(run_here(str(corpus))) == 0
    here("verify", str(work / "mixtures/main"), "--workspace", str(work))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("columns: {kind: kind}", "columns: {kind: text}", "sources.one: columns was"),
        ("seed: 7", "seed: 7\nmax_document_bytes: 100", "max_document_bytes was 20000000"),
        ("  - name: two\n    path: two/*.jsonl\n    columns: {kind: kind}\n", "", "no such source"),
    ],
)
def test_documents_are_not_mixed_with_others_read_otherwise(
    corpus: Path, capsys: pytest.CaptureFixture[str], before: str, after: str, told: str
) -> None:
    run_here(str(corpus), "--until", "signals")
    corpus.write_text(CONFIGURATION.replace(before, after, 1))
    assert run(["run", str(corpus)]) in (1, 2)
    message = capsys.readouterr().err
    assert told in message
    assert "--reingest" in message


def test_a_trial_takes_its_share_into_a_workspace_beside(corpus: Path) -> None:
    figures = run_here(str(corpus), "--sample", "0.25")
    folder = corpus.parent / "work-sample"
    assert not (corpus.parent / "work").exists()
    for source in figures["ingest"]["sources"].values():
        lost = sum(source["rejects"].values()) + sum(source["passed_over"].values())
        assert source["records"] == source["documents"] + lost
    taken = set(identifiers(folder))
    run_here(str(corpus), "--until", "signals")
    everything = set(identifiers(corpus.parent / "work"))
    assert taken < everything
    assert 0.1 < len(taken) / len(everything) < 0.4
    manifest = figures["mixtures"][0]["manifest"]
    assert manifest["config"]["tokens"] == 3_000
    assert run(["run", str(corpus), "--sample", "0.5"]) == 2
    with pytest.raises(SystemExit, match="2"):
        run(["run", str(corpus), "--sample", "5"])
