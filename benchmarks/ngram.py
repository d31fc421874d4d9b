"""Perplexity by an n-gram model beside CCNet's way, with SentencePiece and KenLM, on one core."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.corpus import mixed_texts
from benchmarks.runs import ROOT
from benchmarks.tables import show
from pipeline.stages.texts import utf8
from pipeline.text import ccnet
from pipeline.text.decoding import frozen
from raters.ngram.arpa_file import load_arpa
from raters.ngram.pieces import load_cutter
from raters.ngram.reader import open_reader
from raters.ngram.stage import NgramPerplexity
from raters.training.ngrams import estimate, words_of, write_arpa

PEERS = ("kenlm==0.3.0", "sentencepiece==0.2.3")
TRAINING, SCORED = 8_000_000, 16_000_000
_STEPS = ("normalisation", "pieces", "score")


def ngram(folder: Path, scale: float) -> None:
    """N-gram perplexity: normalisation, pieces and scores beside SentencePiece and KenLM."""
    python = str(_environment())
    marks = folder / "marks.json"
    marks.write_text(json.dumps(ccnet.PUNCTUATION))
    peer = [python, str(ROOT / "benchmarks" / "ngram_peer.py"), str(marks)]
    training, scored = _texts(folder, TRAINING * scale, 0), _texts(folder, SCORED * scale, 1)
    subprocess.run([*peer, str(training), str(folder / "sp")], check=True)
    pieces, arpa = folder / "sp.model", folder / "model.arpa"
    texts = [json.loads(line)["text"] for line in training.read_text("utf-8").splitlines()]
    model = estimate(words_of(texts, str(pieces), "ccnet", by_line=False), 5, 2)
    write_arpa(arpa, model)
    run = subprocess.run(
        [*peer, str(scored), str(pieces), str(arpa)], check=True, capture_output=True
    )
    theirs = json.loads(run.stdout)
    texts = [json.loads(line)["text"] for line in scored.read_text("utf-8").splitlines()]
    batch = pa.record_batch({"text": texts})
    stage = NgramPerplexity(model=str(arpa), tokenizer=str(pieces), sentences="document")
    began = time.process_time()
    load_arpa(str(arpa))
    loaded = time.process_time() - began
    ours = _steps(batch.column("text"), stage)
    size = sum(len(text.encode()) for text in texts) / 1e6
    rows = [
        (name, size / one, size / other, f"{other / one:.1f}")
        for name, one, other in zip(
            (*_STEPS, "all"), (*ours, sum(ours)), (*theirs["steps"], sum(theirs["steps"])),
            strict=True,
        )
    ]  # fmt: skip
    title = f"{len(texts):,} documents, {size:.1f} MB, {len(model):,} n-grams of order 1 to 5"
    head = ("step", "Winnow, MB/s of one core", "SentencePiece and KenLM", "times")
    show(title, head, rows)
    found = stage.apply(batch).column("perplexity").to_numpy(zero_copy_only=False)
    away = np.sort(np.abs(found / np.array(theirs["perplexity"]) - 1))
    print(
        f"\nRead in {loaded:.1f} s, {arpa.stat().st_size / 1e6 / loaded:.0f} MB/s. Perplexities "
        f"differ by {away[len(away) // 2]:.1e} (median), {away[int(0.99 * len(away))]:.1e} "
        "(99 of 100 documents).",
        flush=True,
    )


def _texts(folder: Path, size: float, half: int) -> Path:
    """Every second document of the corpus until there are so many bytes."""
    path = folder / f"texts-{half}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for text in mixed_texts()[half::2]:
            size -= len(text.encode())
            if size < 0:
                break
            file.write(json.dumps({"text": text}) + "\n")
    return path


def _steps(texts: pa.Array, stage: NgramPerplexity) -> Sequence[float]:
    """Processor seconds of each step, its kernels compiled before."""
    assert stage.tokenizer is not None
    cutter, reader = load_cutter(stage.tokenizer), open_reader(stage.model, stage.tokenizer)
    spent: list[float] = []
    for some in (texts.slice(0, 1), texts):
        clock = [time.process_time()]
        read = ccnet.normalise(*frozen(*utf8(some)), False)
        clock.append(time.process_time())
        read = cutter.cut(*read, False)
        clock.append(time.process_time())
        reader.score(*read, False)
        clock.append(time.process_time())
        spent = [after - before for before, after in pairwise(clock)]
    return spent


def _environment() -> Path:
    """The Python that has the peers, installed where it is not there yet; KenLM is compiled."""
    folder = ROOT / "benchmarks" / ".venvs" / "ngram"
    python, stamp = folder / "bin" / "python", folder / "stamp"
    if not stamp.is_file() or stamp.read_text().split() != list(PEERS):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", *PEERS]
        subprocess.run(install, check=True)
        stamp.write_text("\n".join(PEERS))
    return python
