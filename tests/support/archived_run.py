"""A small run, started by spark-submit, from which the classes are archived that all runs load."""

import sys
import tempfile
from pathlib import Path

from jobs.cli import run
from support import make_corpus

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(run(["run", str(make_corpus(Path(folder)))]))
