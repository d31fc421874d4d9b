"""What data-selection makes of some documents, and how long it takes; run by its Python.

Usage: PYTHON dsir_runs.py FOLDER with raw.jsonl and target.jsonl; prints JSON.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from data_selection import hashed_ngram_dsir
from data_selection.hashed_ngram_dsir import HashedNgramDSIR

BUCKETS = 10_000


def read(path: Path) -> list[str]:
    """The texts of a file of documents."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def fitted(raw: list[str], target: list[str]) -> tuple[HashedNgramDSIR, float]:
    """The model of both, and the seconds of counting the raw texts."""
    counts = {"raw": np.zeros(BUCKETS, int), "target": np.zeros(BUCKETS, int)}
    for text in target:
        hashed_ngram_dsir.get_ngram_counts(text, counts=counts["target"])
    start = time.process_time()
    for text in raw:
        hashed_ngram_dsir.get_ngram_counts(text, counts=counts["raw"])
    spent = time.process_time() - start
    model = HashedNgramDSIR([], [], "unused", num_proc=1)
    shares = {name: found / found.sum() for name, found in counts.items()}
    model.log_diff = np.log(shares["target"] + 1e-8) - np.log(shares["raw"] + 1e-8)
    return model, spent


def weigh(model: HashedNgramDSIR, raw: list[str]) -> tuple[list[float], list[float], float]:
    """Log weights, lengths, and the seconds of both."""
    start = time.process_time()
    features = [model.featurizer(text) for text in raw]
    weights = [float(model.importance_estimator(found)) for found in features]
    spent = time.process_time() - start
    lengths = [float(model.get_perexample_metadata({}, found)) for found in features]
    return weights, lengths, spent


def main() -> None:
    """Fit as the package does, in this one process, and weigh; again with another hash."""
    folder = Path(sys.argv[1])
    raw, target = read(folder / "raw.jsonl"), read(folder / "target.jsonl")
    model, counting = fitted(raw, target)
    weights, lengths, weighing = weigh(model, raw)
    plain = hashed_ngram_dsir.hash_buckets
    hashed_ngram_dsir.hash_buckets = lambda text, num_buckets: plain(f"#{text}", num_buckets)
    again, _, _ = weigh(fitted(raw, target)[0], raw)
    seconds = {"counting": counting, "weighing": weighing}
    told = {"seconds": seconds, "weights": weights, "lengths": lengths, "again": again}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
