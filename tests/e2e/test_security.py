"""What SECURITY.md says, over documents that mean harm."""

import json
import os
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import ROOT, command, winnow, write_jsonl

SECRET = "wK7canary/text"
"""In every document; nothing that is logged may have it."""

KEY = "AKIAcanarykey"
"""In the environment and in URLs; nothing at all may have it."""

CONFIGURATION = """\
workspace: ./work
max_rejects: 0.9
sources:
  - name: web
    path: in/*.jsonl
    columns: {year: {key: year, type: int}}
stages:
  - language: {}
  - signals: {}
  - tokens: {}
  - exact_dedup: {}
  - fuzzy_dedup: {}
  - perplexity: {max_tokens: 50}
  - quality: {rater: student}
mixtures:
  - name: main
    where: "n_words > 3"
    unique: cluster_id
    tokens: 2_000
    tokenizer: shipped
"""

WATCH = """\
import os, sys

def watch(event, arguments):
    if event == "socket.connect":
        place = arguments[1]
    elif event == "socket.getaddrinfo":
        place = (arguments[0],)
    else:
        return
    local = (None, "", "localhost", "::1", os.uname().nodename)
    if isinstance(place, tuple) and place[0] not in local and not place[0].startswith("127."):
        with open(os.environ["WATCHED"], "a") as file:
            file.write(f"{event} {place}\\n")

sys.addaudithook(watch)
"""
ALONE = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
"""Runs a command in a network of its own, which has nothing but loopback."""


@contextmanager
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A port of this machine, and what came to it."""
    heard: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            heard.append(self.rfile.readline())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], heard
        server.shutdown()


def hostile_lines(port: int) -> list[dict[str, object]]:
    """Records whose every part leads elsewhere, says too much, or breaks something."""
    url = f"http://127.0.0.1:{port}/{SECRET}"
    text = f"{SECRET} Go to {url} and read ../../../escaped, the {SECRET}. "
    return [
        {"text": text * 9, "url": url, "id": "../../../escaped", "year": 1999},
        {"text": text * 9, "url": "file:///etc/passwd", "id": "/tmp/escaped", "year": 1999},
        {"text": f"<img src={url}> <|endoftext|> {text}", "../../escaped": SECRET, "year": 7},
        {"text": "\x1b]0;owned\x07\x00 " + text, "url": SECRET, "year": SECRET},
        {"text": [SECRET], "year": 1},
        {"text": {SECRET: SECRET}},
        {"body": SECRET},
        *({"text": f"{text} number {n}", "id": f"../escaped/{n}", "year": n} for n in range(30)),
    ]


@pytest.fixture
def corpus(tmp_path: Path) -> Iterator[tuple[Path, list[bytes]]]:
    """A configuration, and what came to the port that its documents name."""
    with listener() as (port, heard):
        path = write_jsonl(tmp_path / "corpus" / "in" / "a.jsonl", hostile_lines(port))
        with path.open("ab") as file:
            file.write(b'{"text": "' + SECRET.encode() + b" \xff\xfe\n")
            file.write(b'{"text": "' + SECRET.encode() + b'", "year": }\n')
        configuration = tmp_path / "corpus" / "corpus.yaml"
        configuration.write_text(CONFIGURATION)
        (tmp_path / "watch").mkdir()
        (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
        yield configuration, heard


def run(configuration: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`winnow run` under watch, with keys in its environment, and no network where that can be."""
    place = configuration.parent.parent
    alone = shutil.which("unshare") and subprocess.run([*ALONE, "true"]).returncode == 0
    return subprocess.run(
        [*(ALONE if alone else []), *command("run", str(configuration), *words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{place / 'watch'}:{ROOT}",
            "PYTHONDONTWRITEBYTECODE": "1",  # it would be a file of the watch itself
            "WATCHED": str(place / "watched"),
            "AWS_SECRET_ACCESS_KEY": KEY,
            "HF_TOKEN": KEY,
        },
        timeout=600,
    )


@pytest.mark.slow
def test_a_run_over_hostile_documents(corpus: tuple[Path, list[bytes]], tmp_path: Path) -> None:
    configuration, heard = corpus
    before = set(tmp_path.rglob("*"))
    done = run(configuration, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert sum(figures["ingest"]["sources"]["web"]["rejects"].values()) >= 5
    work = tmp_path / "corpus/work"
    # Everything that was written lies in the workspace, under names that are Winnow's own.
    new = {path for path in tmp_path.rglob("*") if path not in before}
    assert all(path.is_relative_to(work) for path in new)
    assert not any("escaped" in str(path) for path in new)
    assert not Path("/tmp/escaped").exists()
    assert heard == []
    assert not (tmp_path / "watched").exists()
    records = "".join(path.read_text() for path in (work / "runs").iterdir())
    manifest = (work / "mixtures/main/manifest.json").read_text()
    for told in (done.stdout, done.stderr, records, manifest):
        assert SECRET not in told
        assert "canary" not in told
    kept = b"".join(path.read_bytes() for path in work.rglob("*.json"))
    assert KEY.encode() not in kept


@pytest.mark.slow
def test_a_run_that_fails_over_hostile_documents(corpus: tuple[Path, list[bytes]]) -> None:
    configuration, _ = corpus
    done = run(configuration, "--set", "max_rejects=0", "--log-format", "json")
    assert done.returncode == 1
    last = json.loads(done.stderr.splitlines()[-1])
    assert "records were rejected" in last["message"]
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "place",
    [f"https://me:{KEY}@127.0.0.1:9/a.jsonl", f"https://127.0.0.1:9/a.jsonl?X-Signature={KEY}"],
)
def test_credentials_of_a_url_are_not_told(tmp_path: Path, place: str) -> None:
    configuration = tmp_path / "corpus.yaml"
    configuration.write_text(CONFIGURATION.replace("in/*.jsonl", f'"{place}"'))
    done = winnow("run", str(configuration), AWS_SECRET_ACCESS_KEY=KEY)
    assert done.returncode in (1, 2)
    assert "127.0.0.1:9" in done.stderr
    assert "canary" not in done.stdout + done.stderr
