"""What every step of a run does a second, each by itself."""

from pathlib import Path

from benchmarks.corpus import perturbed_texts, write_documents
from benchmarks.runs import Run, run
from benchmarks.tables import show

STAGES: dict[str, dict[str, object]] = {
    "language": {},
    "signals": {},
    "tokens": {},
    "exact_dedup": {},
    "fuzzy_dedup": {},
    "perplexity": {"max_tokens": 1000},
    "quality": {},
}


def throughput(folder: Path, scale: float) -> None:
    """Seconds and MB/s of ingest, of each stage in a sweep of its own, and of a mixture."""
    write_documents(folder / "a.jsonl", perturbed_texts(), int(100_000_000 * scale))
    base: dict[str, object] = {
        "workspace": str(folder / "work"),
        "sources": [{"name": "s", "path": str(folder / "a.jsonl")}],
    }
    done = run(folder, base)
    rows = [_row("ingest", done.figures["ingest"]["seconds"], done)]
    stages: list[dict[str, object]] = []
    for name, parameters in STAGES.items():
        stages.append({name: parameters})
        done = run(folder, {**base, "stages": stages})
        rows.append(_row(name, done.stage(name)["seconds"], done))
    mixture = {"name": "main", "unique": "cluster_id", "score": "n_words"}
    done = run(folder, {**base, "stages": stages, "mixtures": [mixture]})
    rows.append(_row("mixture", done.figures["mixtures"][0]["seconds"], done))
    show(f"Throughput on {done.text_bytes / 1e6:.0f} MB of text", HEAD, rows)


HEAD = ("step", "seconds", "MB/s", "worker MB")


def _row(name: str, seconds: float, done: Run) -> list[object]:
    rate = round(done.text_bytes / 1e6 / seconds, 1)
    return [name, round(seconds, 1), rate, done.peaks.mb("worker")]
