"""What several tests share: running `winnow` as a user does, and comparing workspaces."""

import contextlib
import hashlib
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def command(*words: str) -> list[str]:
    """The command line of a `winnow` in this Python."""
    return [sys.executable, "-m", "jobs", *words]


def winnow(
    *words: str, timeout: float = 300, cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run one `winnow` command to its end."""
    return subprocess.run(
        command(*words),
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        timeout=timeout,
    )


def here(*words: str) -> str:
    """Run one `winnow` command in this process, on its Spark session; what it prints."""
    from jobs.cli import run

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = run(words)
    assert status == 0, words
    return printed.getvalue()


def run_json(*words: str) -> dict[str, Any]:
    """What `winnow run --json` says it did, in a process of its own."""
    done = winnow("run", *words, "--json")
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def run_here(*words: str) -> dict[str, Any]:
    """What `winnow run --json` says it did, in this process."""
    figures: dict[str, Any] = json.loads(here("run", *words, "--json").splitlines()[-1])
    return figures


def stage_figures(figures: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One stage's figures of a run."""
    found: dict[str, Any] = next(item for item in figures["stages"] if item["name"] == name)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that a workspace holds but what runs leave of themselves."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {"_tmp", "runs", "plan.json"} & {*path.parts}
    }


def differing(found: Path, wanted: Path, under: str = "") -> list[str]:
    """The files that are not the same in both folders."""
    ours, theirs = contents(found / under), contents(wanted / under)
    return sorted(name for name in ours.keys() | theirs if ours.get(name) != theirs.get(name))


PRODUCT = ("documents", "columns", "mixtures")
"""What a workspace is kept for."""
_PLACES = ("documents/_index", "documents/_tasks")
"""Where the inputs lie, which is nothing that they say."""


def product(work: Path | str) -> dict[str, str]:
    """The digest of each file of documents, columns and mixtures, on disk or in a bucket.

    Equal for the same configuration, whatever it ran on.
    """
    from pipeline.io.store import open_store

    store = open_store(str(work))
    paths = [entry.path for folder in PRODUCT for entry in store.list(folder)]
    kept = [path for path in paths if not path.startswith(_PLACES)]
    return {path: hashlib.sha256(store.read(path)).hexdigest() for path in kept}


_TEXT = (
    "the of and to in that it was for on are with as his they be at one have this from by hot "
    "river stone market garden winter letter machine measure harvest winnow barley chaff grain "
    "language question history science music village council railway engine bridge summer"
)
_WORDS = _TEXT.split()


def make_documents(seed: int, count: int, repeats: int = 3) -> list[dict[str, str]]:
    """Documents of made-up sentences: each `repeats`th repeats an earlier one, some are empty."""
    chance = random.Random(seed)
    documents: list[dict[str, str]] = []
    for number in range(count):
        if number and number % repeats == 0:
            text = documents[chance.randrange(number)]["text"]
        elif number % 7 == 1:
            text = ""
        else:
            text = "\n".join(_sentence(chance) for _ in range(chance.randint(4, 30)))
        documents.append({"text": text, "kind": chance.choice(["prose", "list"])})
    return documents


def _sentence(chance: random.Random) -> str:
    words = [chance.choice(_WORDS) for _ in range(chance.randint(5, 18))]
    return " ".join(words).capitalize() + "."


def write_jsonl(path: Path, documents: Iterable[Mapping[str, object]]) -> Path:
    """A JSONL file of the documents."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return path


CONFIGURATION = """\
workspace: ./work
seed: 7
part_bytes: 20_000
max_rejects: 0.5
sources:
  - name: one
    path: one/*.jsonl
    columns: {kind: kind}
  - name: two
    path: two/*.jsonl
    columns: {kind: kind}
stages:
  - signals: {}
  - tokens: {}
  - exact_dedup: {}
mixtures:
  - name: main
    where: "n_words >= 10"
    unique: exact_cluster_id
    score: alphabetic_word_ratio
    sampler: {method: gumbel, temperature: 0.5}
    strata: [source]
    quotas: equal
    tokens: 12_000
    tokenizer: shipped
"""


def make_corpus(folder: Path) -> Path:
    """A tiny corpus of two sources in several parts each; the configuration's path."""
    for seed, source in enumerate(("one", "two")):
        write_jsonl(folder / source / "a.jsonl", make_documents(seed, 120))
    configuration = folder / "winnow.yaml"
    configuration.write_text(CONFIGURATION)
    return configuration


STAGES = ("language", "signals", "tokens", "exact_dedup", "fuzzy_dedup")
"""The stages that need no model."""


def make_whole_corpus(folder: Path) -> Path:
    """The same corpus through all of STAGES."""
    configuration = make_corpus(folder)
    stages = "  - signals: {}\n  - tokens: {}\n  - exact_dedup: {}\n"
    assert stages in CONFIGURATION
    wanted = "".join(f"  - {stage}: {{}}\n" for stage in STAGES)
    text = CONFIGURATION.replace(stages, wanted).replace("exact_cluster_id", "cluster_id")
    configuration.write_text(text)
    return configuration
