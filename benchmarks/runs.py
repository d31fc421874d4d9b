"""`winnow run` as a user starts it, with its figures, its memory and its garbage collections."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.processes import Peaks, Watch

ROOT = Path(__file__).parents[1]
_COLLECTED = re.compile(r"->(\d+)M\(")


@dataclass(frozen=True)
class Run:
    """What one run did and took."""

    seconds: float
    figures: Mapping[str, Any]
    peaks: Peaks
    heap_mb: int
    """The most that the JVM's heap held after a collection: what it could not let go."""

    def stage(self, name: str) -> Mapping[str, Any]:
        """A stage's figures."""
        found: Mapping[str, Any] = next(s for s in self.figures["stages"] if s["name"] == name)
        return found

    @property
    def documents(self) -> int:
        """Documents in the workspace."""
        return sum(int(s["documents"]) for s in self.figures["ingest"]["sources"].values())

    @property
    def text_bytes(self) -> int:
        """Bytes of text in the workspace."""
        return sum(int(s["bytes"]) for s in self.figures["ingest"]["sources"].values())

    @property
    def rejects(self) -> dict[str, int]:
        """Rejects by reason."""
        found: dict[str, int] = {}
        for source in self.figures["ingest"]["sources"].values():
            for reason, count in source["rejects"].items():
                found[reason] = found.get(reason, 0) + count
        return found


def run(folder: Path, configuration: Mapping[str, object], **environment: str) -> Run:
    """Run a configuration in `folder`; RuntimeError with its messages where it fails."""
    path = folder / "winnow.yaml"
    path.write_text(yaml.safe_dump(dict(configuration), sort_keys=False))
    log = folder / "collections.log"
    log.unlink(missing_ok=True)
    own = {"PYTHONPATH": str(ROOT), "JAVA_TOOL_OPTIONS": f"-Xlog:gc:file={log}"}
    began = time.monotonic()
    with (folder / "messages.log").open("w+") as messages:
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs", "run", str(path), "--json"],
            cwd=ROOT,
            env={**os.environ, **own, **environment},
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
        )
        with Watch(process.pid) as watch:
            told, _ = process.communicate()
        seconds = time.monotonic() - began
        if process.returncode:
            messages.seek(0)
            raise RuntimeError(f"winnow run ended with {process.returncode}: {messages.read()}")
    figures = json.loads(told.splitlines()[-1])
    return Run(round(seconds, 1), figures, watch.peaks, _heap(log))


def _heap(log: Path) -> int:
    if not log.exists():
        return 0
    return max(map(int, _COLLECTED.findall(log.read_text())), default=0)
