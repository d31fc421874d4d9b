"""`winnow diff`: what entered and left from one mixture to another."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from jobs.columns import open_columns
from jobs.console import Console
from jobs.exclusion import Reasons, count_reasons
from pipeline.export.membership import Ids, compare, read_members
from pipeline.export.verify import read_manifest
from pipeline.io.store import open_store
from pipeline.select.plan import stratum_label


def diff(arguments: argparse.Namespace) -> int:
    """Print the documents and tokens that entered and left, by stratum and by rule."""
    first, second = arguments.first, arguments.second
    before, after = read_manifest(first), read_manifest(second)
    found = compare(read_members(first, before), read_members(second, after))
    left = _reasons(_workspace(arguments.workspace, second), after, found.left)
    entered = _reasons(_workspace(arguments.workspace, first), before, found.entered)
    if arguments.json:
        told = {
            "strata": {name: asdict(change) for name, change in found.strata.items()},
            "left": left,
            "entered": entered,
        }
        print(json.dumps(told, ensure_ascii=False))
        return 0
    console = Console(arguments.log_format)
    console.table(
        f"from {first} to {second}, documents and tokens by stratum",
        ("stratum", "stayed", "entered", "tokens", "left", "tokens"),
        [
            (
                stratum_label(name),
                change.stayed,
                change.entered,
                change.entered_tokens,
                change.left,
                change.left_tokens,
            )
            for name, change in found.strata.items()
        ],
    )
    for title, reasons in (
        (f"what left, by the rule of {second} that it fails", left),
        (f"what entered, by the rule of {first} that it failed", entered),
    ):
        if reasons is not None:
            console.table(title, ("rule", "documents"), list(reasons.items()))
    if left is None or entered is None:
        console.say("by rule: name the workspace (--workspace), which has the columns")
    return 0


def _workspace(named: str | None, mixture: str) -> str | None:
    """The workspace that was named, else the one that a mixture lies in."""
    if named is not None:
        return named
    around = mixture.rstrip("/").rpartition("/")[0].rpartition("/")[0]
    return around if around and open_store(around).exists("workspace.json") else None


def _reasons(workspace: str | None, manifest: Mapping[str, Any], ids: Ids) -> Reasons | None:
    return None if workspace is None else count_reasons(open_columns(workspace), manifest, ids)
