"""Importance weights beside data-selection, the package of DSIR's authors."""

import json
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.corpus import mixed_texts, sample_texts
from benchmarks.peers import buffers, environment, rate
from benchmarks.runs import ROOT
from benchmarks.tables import show
from pipeline.stages.dsir import Dsir

PEERS = ("data-selection==1.0.3", "nltk==3.10.4")
SAMPLE = 2_000_000
"""Bytes of text that both weigh; the same rates hold for any number."""
NOTES = """
There are far more n-grams than buckets, so that another hash alone changes the order. What is left
is the words: marks are words of NLTK's, and a run of Han characters is one. With Winnow's words and
the package's hash the order agrees with Winnow's at 0.97.
"""

Floats = npt.NDArray[np.float64]


def dsir(folder: Path, scale: float) -> None:
    """MB/s of counting and weighing hashed n-grams, against DSIR's own code, and equal choices."""
    texts = mixed_texts()
    step = max(1, round(sum(len(text.encode()) for text in texts) / (SAMPLE * scale)))
    raw, target = list(texts[::step]), list(sample_texts()[:: max(1, round(1 / scale))])
    for name, found in (("raw", raw), ("target", target)):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": text}) + "\n" for text in found)
    code = ROOT / "benchmarks" / "dsir_runs.py"
    words = [str(environment("dsir", PEERS)), str(code), str(folder)]
    done = subprocess.run(words, check=True, capture_output=True)
    told = json.loads(done.stdout.splitlines()[-1])
    stage = Dsir(target=str(folder / "target.jsonl"))
    given, held = pa.array(raw, pa.large_string()), buffers(raw)
    totals = np.zeros(stage.buckets, np.int64)
    stage.count(given, totals)
    weights = stage.weights(totals)
    size = len(held[0]) / 1e6
    rows = []
    for name, speed in (
        ("counting", rate(lambda: stage.count(given, np.zeros_like(totals)), held)),
        ("weighing", rate(lambda: stage.weigh(given, weights), held)),
    ):
        their = size / told["seconds"][name]
        rows.append((name, speed, f"{their:.2f}", round(speed / their)))
    title = f"One core, MB/s on {len(raw):,} documents of {size:.1f} MB"
    show(title, ("what", "Winnow", "data-selection", "times"), rows)
    log, _, words = stage.weigh(given, weights)[:3]
    ours = np.asarray(log.to_numpy(zero_copy_only=False))
    long = (words.to_numpy() >= 100) & (np.array(told["lengths"]) >= 100)
    _agreement(*(np.array(given)[long] for given in (told["weights"], ours, told["again"])))


def _agreement(theirs: Floats, ours: Floats, again: Floats) -> None:
    """How alike the log weights order documents."""
    rows = []
    for name, other in (("Winnow", ours), ("data-selection with another hash", again)):
        mine, their = np.argsort(np.argsort(other)), np.argsort(np.argsort(theirs))
        edge = len(mine) - len(mine) // 10
        both = np.sum((mine >= edge) & (their >= edge)) / max(1, len(mine) - edge)
        rows.append((name, f"{np.corrcoef(mine, their)[0, 1]:.3f}", f"{both:.0%}"))
    title = f"The order of data-selection, of {len(ours):,} documents of 100 words or more"
    show(title, ("by", "rank correlation", "of its best tenth"), rows)
    print(NOTES, flush=True)
