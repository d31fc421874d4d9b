"""`winnow status`: what is done, what is stale, counts, rejects, sizes."""

import argparse
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from jobs.console import Console, told_segments
from jobs.record import FOLDER, last_record
from pipeline.export.manifest import load_manifest
from pipeline.io.store import open_store
from pipeline.io.tally import figures_by_source
from pipeline.io.workspace import Workspace
from pipeline.spark.halves import MAP_HALF
from schemas.errors import WinnowError

if TYPE_CHECKING:
    from jobs.configuration import BoundConfiguration


def status(arguments: argparse.Namespace) -> int:
    """Print the state of a workspace; with a configuration also what is stale."""
    stale: dict[str, str] = {}
    place = arguments.place
    if os.path.isfile(place):
        from jobs.configuration import load_configuration

        bound = load_configuration(place, check_inputs=False, check_workspace=False)
        place = bound.workspace
        if not open_store(place).exists("workspace.json"):
            raise WinnowError(f"nothing is done yet; begin with: winnow run {arguments.place}")
        stale = _stale(bound, Workspace(open_store(place)))
    workspace = Workspace(open_store(place))
    workspace.check()
    state = describe(workspace, stale)
    if arguments.json:
        print(json.dumps(state))
        return 0
    console = Console(arguments.log_format)
    console.table(
        "generations",
        ("generation", "files", "documents", "rejects"),
        [(g["generation"], g["files"], g["documents"], g["rejects"]) for g in state["generations"]],
    )
    if state["rejects"]:
        rejects = sorted(state["rejects"].items(), key=lambda item: -item[1])
        console.table("rejects", ("reason", "records"), rejects)
    for source, counts in state["segments"].items():
        console.say(f"\n{source}: {told_segments(counts)}")
    head = ("stage", "state", "documents", "measured", "skipped", "failed")
    console.table("stages", head, [[s[name] for name in head] for s in state["stages"]])
    console.table(
        "mixtures",
        ("mixture", "documents", "tokens"),
        [(m["name"], m["documents"], m["tokens"]) for m in state["mixtures"]],
    )
    console.table("disk", ("folder", "files", "bytes"), state["disk"])
    return 0


def describe(workspace: Workspace, stale: dict[str, str]) -> dict[str, Any]:
    """The state as plain data."""
    generations = workspace.generations()
    rejects: Counter[str] = Counter()
    for generation in generations:
        for item in generation["inputs"]:
            rejects.update(item["rejects"])
    figures = figures_by_source(generations)
    segments = {name: s.segments for name, s in figures.items() if s.segments}
    names = [name for name in workspace.stages() if not name.endswith(MAP_HALF)]
    records = [r for name in names if (r := workspace.stage(name))]
    done = {record.stage for record in records}
    stages = [
        {"stage": r.stage, "state": stale.get(r.stage, "in force"), **r.totals} for r in records
    ]
    stages += [
        {"stage": name, "state": state, "documents": 0, "measured": 0, "skipped": 0, "failed": 0}
        for name, state in stale.items()
        if name not in done and not name.endswith(MAP_HALF)
    ]
    disk: dict[str, list[int]] = {}
    mixtures = []
    for entry in workspace.store.list():
        if entry.path.startswith(f"{FOLDER}/"):
            # What runs say of themselves, a few kB each; the last one is shown apart.
            continue
        folder = disk.setdefault(entry.path.split("/")[0], [0, 0])
        folder[0] += 1
        folder[1] += entry.size
        if entry.path.startswith("mixtures/") and entry.path.endswith("/manifest.json"):
            manifest = load_manifest(workspace.store, entry.path.rpartition("/")[0])
            totals = {name: manifest["totals"][name] for name in ("documents", "tokens")}
            mixtures.append({"name": manifest["name"], **totals})
    return {
        "workspace": workspace.store.root,
        "generations": [
            {
                "generation": g["generation"],
                "files": len(g["inputs"]),
                "documents": g["documents"],
                "rejects": sum(sum(i["rejects"].values()) for i in g["inputs"]),
            }
            for g in generations
        ],
        "rejects": dict(rejects),
        "segments": segments,
        "stages": stages,
        "mixtures": mixtures,
        "disk": [[name, *sums] for name, sums in sorted(disk.items())],
        "last_run": last_record(workspace.store),
    }


def _stale(bound: "BoundConfiguration", workspace: Workspace) -> dict[str, str]:
    """What of the configuration's stages is not in force, and why."""
    from jobs.plan import planned_stages
    from pipeline.spark.standing import Standing, stage_states

    names = {stage.name for stage in bound.stages}
    found = {name: "not configured" for name in workspace.stages() if name not in names}
    for state in stage_states(Standing(workspace), planned_stages(bound)):
        if state.reason != "in force":
            found[state.name] = state.reason
    return found
