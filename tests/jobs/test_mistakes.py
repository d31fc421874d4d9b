"""What a user can get wrong: one clear message, exit status 2, and nothing done."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT, winnow

from jobs.cli import run

GOOD = """\
workspace: ./work
sources:
  - name: one
    path: one.jsonl
    columns: {kind: kind}
stages:
  - language: {}
  - signals: {}
  - tokens: {}
  - exact_dedup: {}
mixtures:
  - name: main
    where: "n_words >= 10"
    unique: exact_cluster_id
    tokens: 1000
    tokenizer: shipped
"""
MISTAKES = {
    "unknown key": ("workspace:", "worksapce:", ":1: worksapce", "did you mean 'workspace'?"),
    "unknown key of a source": ("    path:", "    paht:", ":4: sources.one.paht", "'path'"),
    "unknown parameter": ("signals: {}", "signals: {lang: x}", ":8: stages.signals.lang", ""),
    "wrong type": ("tokens: 1000", "tokens: many", ":15: mixtures.main.tokens", "many"),
    "negative budget": ("tokens: 1000", "tokens: -5", ":15: mixtures.main.tokens", ""),
    "missing file": ("one.jsonl", "two.jsonl", ":4: sources.one.path", "two.jsonl"),
    "unknown stage": ("language: {}", "langauge: {}", ":7: ", "did you mean 'language'?"),
    "unknown tokenizer": ("tokenizer: shipped", "tokenizer: none.json", ":16: ", "none.json"),
    "edits of no stage": (
        "tokens: 1000",
        "edits: redacted\n    tokens: 1000",
        ":15: mixtures.main.edits",
        "no stage `edits` is called 'redacted'",
    ),
    "edits without a column": ("signals: {}", "edits: {}", ":8: stages.edits", "lines, substrings"),
    "edits by a column of no ranges": (
        "signals: {}",
        "edits: {lines: kind}",
        ":8: stages.edits",
        "'kind' is string; ranges are lists",
    ),
    "edits by a column that is not there": (
        "signals: {}",
        "edits: {lines: kinds}",
        ":8: stages.edits",
        "reads the column 'kinds', which no earlier stage writes",
    ),
    "unknown column": ("n_words >=", "n_wrods >=", ":13: mixtures.main.where", "'n_words'?"),
    "syntax of an expression": ("n_words >= 10", "n_words >= ", ":13: mixtures.main.where", ""),
    "types of an expression": ("n_words >= 10", "text + 1 > 2", ":13: mixtures.main.where", ""),
    "language code": ("n_words >= 10", "language = 'eng'", ":13: mixtures.main.where", "'eng'"),
    "unknown sampler": (
        "tokens: 1000",
        "sampler: {method: topk}\n    tokens: 1000",
        ":15: mixtures.main.sampler.method",
        "'top_k'",
    ),
    "two mixtures of one name": (
        "  - name: main",
        "  - name: main\n    tokens: 5\n    tokenizer: shipped\n  - name: main",
        "main",
        "",
    ),
    "a name twice": ("workspace:", "seed: 1\nseed: 2\nworkspace:", "seed", ""),
    "no YAML": ("sources:", "sources: [", "winnow.yaml:", ""),
    "a tab": ("sources:", "sources:\n\t- x", "winnow.yaml:", ""),
    "unwritable workspace": (
        "./work",
        "/proc/winnow",
        ":1: workspace: can't be written: /proc",
        "",
    ),
    "workspace below a file": ("./work", "./one.jsonl/work", "one.jsonl", ""),
    "unset variable": ("./work", "${WINNOW_NOT_SET}", "WINNOW_NOT_SET", ""),
}


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    (tmp_path / "one.jsonl").write_text('{"text": "some words", "kind": "a"}\n')
    path = tmp_path / "winnow.yaml"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told(
    configuration: Path, capsys: pytest.CaptureFixture[str], mistake: str
) -> None:
    before, after, place, hint = MISTAKES[mistake]
    assert before in GOOD
    configuration.write_text(GOOD.replace(before, after, 1))
    assert run(["run", str(configuration)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("winnow: ")
    assert place in told, told
    assert hint in told, told
    assert len(told.splitlines()) == 1, told
    assert sorted(os.listdir(configuration.parent)) == ["one.jsonl", "winnow.yaml"]


def test_all_mistakes_are_told_at_once(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = GOOD.replace("n_words", "n_wrods").replace("tokens: 1000", "tokens: x")
    configuration.write_text(wrong)
    assert run(["run", str(configuration)]) == 2
    told = capsys.readouterr().err
    assert "n_wrods" in told or "mixtures.main.tokens" in told


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["run", "nowhere.yaml"],
        ["rnu", "x.yaml"],
        ["run", "examples/quickstart.yaml", "--set", "mixtures.mian.tokens=5"],
        ["run", "examples/quickstart.yaml", "--set", "tokens"],
        ["run", "examples/quickstart.yaml", "--until", "nothing"],
        ["status", "/nowhere"],
        ["table", "/nowhere", "-o", "x.csv"],
        ["sample", "/nowhere", "--by", "x"],
        ["explain", "/nowhere", "00"],
        ["clean", "/nowhere"],
        ["verify", "/nowhere"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_told(words: list[str]) -> None:
    done = winnow(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_help_imports_nothing_heavy() -> None:
    program = "import sys, jobs.cli as c; c.parser().format_help(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    heavy = {"pyspark", "pyarrow", "numpy", "pydantic", "tokenizers", "torch", "pandas", "yaml"}
    assert heavy.isdisjoint(done.stdout.split())
    assert "usage: winnow" in winnow("--help").stdout
