"""The record that a command leaves beside the work: what was done when, and by which version."""

import contextlib
import hashlib
import importlib.metadata
import json
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.configuration import BoundConfiguration
from pipeline.io.digests import canonical_json
from pipeline.io.shipped import build
from pipeline.io.store import Store, open_store
from pipeline.spark.ingest import IngestFigures
from pipeline.spark.mixture import MixtureFigures
from schemas.errors import redacted

FOLDER = "runs"
"""Where the records lie in a workspace, numbered as the commands ended."""

LIBRARIES = ("numba", "numpy", "pyarrow", "pyspark", "tokenizers", "torch")


@dataclass
class Record:
    """What a command has to tell of itself when it ends."""

    figures: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def recorded(bound: BoundConfiguration, command: str, overrides: Sequence[str]) -> Iterator[Record]:
    """Leave a record when the block ends, well or not; one that is killed leaves none."""
    record, began, clock = Record(), _now(), time.monotonic()
    outcome: dict[str, Any] = {"outcome": "failed"}
    try:
        yield record
        outcome = {"outcome": "done"}
    except KeyboardInterrupt:
        outcome = {"outcome": "interrupted"}
        raise
    except Exception as error:
        outcome["error"] = redacted(str(error))
        raise
    finally:
        content = {
            "command": command,
            "winnow": build(),
            "python": platform.python_version(),
            "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
            "configuration": hashlib.sha256(bound.path.read_bytes()).hexdigest(),
            "overrides": [redacted(override) for override in overrides],
            "began": began,
            "ended": _now(),
            "seconds": round(time.monotonic() - clock, 3),
            **outcome,
            **record.figures,
        }
        with contextlib.suppress(*(() if outcome["outcome"] == "done" else (OSError,))):
            _append(open_store(bound.workspace), content)


def _append(store: Store, content: Mapping[str, Any]) -> None:
    if not store.exists("workspace.json"):
        return
    number = len(list(store.list(FOLDER))) + 1
    while not store.create(_path(number), canonical_json({"run": number, **content}).encode()):
        number += 1


def last_record(store: Store) -> dict[str, Any] | None:
    """The newest record of a workspace."""
    paths = [entry.path for entry in store.list(FOLDER)]
    found: dict[str, Any] | None = json.loads(store.read(paths[-1])) if paths else None
    return found


def told_ingest(figures: IngestFigures) -> dict[str, Any]:
    """What was read, and what all sources hold."""
    return {**vars(figures), "sources": {n: vars(s) for n, s in figures.sources.items()}}


def told_mixtures(mixtures: Sequence[MixtureFigures]) -> list[dict[str, Any]]:
    """Of each mixture what tells it from another, without its whole manifest."""
    return [
        {
            "name": mixture.name,
            "made": mixture.made,
            "seconds": round(mixture.seconds, 3),
            "totals": mixture.manifest["totals"],
            "mixture_digest": mixture.manifest["mixture_digest"],
        }
        for mixture in mixtures
    ]


def _path(number: int) -> str:
    return f"{FOLDER}/{number:06d}.json"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
