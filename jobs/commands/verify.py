"""`winnow verify`: check a mixture against its manifest."""

import argparse

from pipeline.export.verify import Problem, read_manifest
from pipeline.export.verify import verify as check


def verify(arguments: argparse.Namespace) -> int:
    """Print what does not hold; 1 where anything does not."""
    problems = check(arguments.mixture, arguments.workspace)
    manifest = read_manifest(arguments.mixture)
    if arguments.workspace is not None and not problems:
        from jobs.columns import open_columns
        from jobs.replanning import plan_problems

        columns = open_columns(arguments.workspace)
        problems += [Problem("manifest.json", what) for what in plan_problems(columns, manifest)]
    for problem in problems:
        print(problem)
    if problems:
        print(f"{arguments.mixture}: {len(problems)} problems")
        return 1
    totals = manifest["totals"]
    print(
        f"{arguments.mixture}: verified, {totals['documents']:,} documents, "
        f"{totals['tokens']:,} tokens"
    )
    return 0
