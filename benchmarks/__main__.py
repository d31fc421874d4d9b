"""`python -m benchmarks [name ...]`: run the benchmarks named, or all, and print their tables."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.accelerator import accelerator
from benchmarks.dsir import dsir
from benchmarks.machine import describe
from benchmarks.parts import tiny_parts
from benchmarks.peers import peers
from benchmarks.perplexity import perplexity
from benchmarks.selection import selection
from benchmarks.size import line_size, part_size, source_size
from benchmarks.stages import throughput
from benchmarks.whole import whole

BENCHMARKS: dict[str, Callable[[Path, float], None]] = {
    "source-size": source_size,
    "part-size": part_size,
    "line-size": line_size,
    "tiny-parts": tiny_parts,
    "throughput": throughput,
    "run": whole,
    "peers": peers,
    "dsir": dsir,
    "perplexity": perplexity,
    "accelerator": accelerator,
    "selection": selection,
}


def main() -> None:
    """Run what the command line names."""
    listed = "\n".join(f"  {name:12} {b.__doc__}" for name, b in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"benchmarks:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="*", help="which ones; all where none is named")
    parser.add_argument("--scale", type=float, default=1.0, help="times all sizes (default 1)")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.name) - BENCHMARKS.keys())
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    print(describe(), flush=True)
    for name in arguments.name or BENCHMARKS:
        with tempfile.TemporaryDirectory(prefix="winnow-benchmark-") as folder:
            BENCHMARKS[name](Path(folder), arguments.scale)


if __name__ == "__main__":
    main()
