"""`winnow verify`: check a mixture against its manifest."""

import argparse

from pipeline.export.verify import read_manifest
from pipeline.export.verify import verify as check


def verify(arguments: argparse.Namespace) -> int:
    """Print what does not hold; 1 where anything does not."""
    problems = check(arguments.mixture, arguments.workspace)
    for problem in problems:
        print(problem)
    if problems:
        print(f"{arguments.mixture}: {len(problems)} problems")
        return 1
    totals = read_manifest(arguments.mixture)["totals"]
    print(
        f"{arguments.mixture}: verified, {totals['documents']:,} documents, "
        f"{totals['tokens']:,} tokens"
    )
    return 0
