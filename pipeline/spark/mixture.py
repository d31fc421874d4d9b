"""A mixture on Spark: planned, written, and told of in a manifest, unless it is there already."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.export.manifest import (
    build_manifest,
    index_files,
    load_manifest,
    write_manifest,
)
from pipeline.export.mixture_plan import MixturePlan
from pipeline.io.digests import canonical_json, combined, text_key
from pipeline.io.faults import fault
from pipeline.io.workspace import Workspace
from pipeline.select.passes import Outcome
from pipeline.spark.selecting import Selecting
from pipeline.spark.tasks import Progress, explained

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass
class MixtureFigures:
    """What became of a mixture in this run."""

    name: str
    made: bool
    manifest: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


def make_mixture(
    workspace: Workspace,
    plan: MixturePlan,
    session: Callable[[], "SparkSession"],
    progress: Progress,
) -> MixtureFigures:
    """Select and write a mixture, unless one is there that was made of the same things."""
    began = time.monotonic()
    identity = _identity(workspace, plan)
    record = f"mixtures/_made/{plan.name}/{identity}.json"
    manifest = f"mixtures/{plan.name}/manifest.json"
    store = workspace.store
    if store.exists(record) and store.exists(manifest):
        there = store.read(manifest)
        if json.loads(store.read(record))["manifest"] == text_key(there.decode()):
            return MixtureFigures(plan.name, False, load_manifest(store, f"mixtures/{plan.name}"))
    with _selecting(workspace, plan, session, progress) as selecting:
        outcome = selecting.plan()
        written = selecting.write(outcome)
    sets, tally = written.data_sets, written.tally
    built = build_manifest(workspace, plan, outcome.plan, funnel_of(plan, outcome), sets, tally)
    files = index_files(plan.format, sets)
    content = write_manifest(store, f"mixtures/{plan.name}", built, files)
    fault("write.record.before")
    store.replace(record, canonical_json({"manifest": text_key(content)}).encode())
    fault("write.record.after")
    return MixtureFigures(plan.name, True, built, time.monotonic() - began)


@contextlib.contextmanager
def _selecting(
    workspace: Workspace,
    plan: MixturePlan,
    session: Callable[[], "SparkSession"],
    progress: Progress,
) -> Iterator[Selecting]:
    with (
        explained(f"mixture {plan.name}"),
        Selecting(session(), workspace, plan, progress) as selecting,
    ):
        yield selecting


def funnel_of(plan: MixturePlan, outcome: Outcome) -> list[tuple[str, int, int | None]]:
    """Documents and tokens that each rule left; no tokens where none were counted."""
    counted = plan.tokens_column is not None
    return [(rule, n, tokens if counted else None) for rule, n, tokens in outcome.funnel]


def _identity(workspace: Workspace, plan: MixturePlan) -> str:
    stages = [workspace.stage(name) for name in plan.stages]
    return combined(
        [
            canonical_json([plan.config, plan.seed, plan.tokenizer, plan.selection.fitted]),
            *(f"{part.part} {part.digest}" for part in workspace.documents()),
            *(f"{record.stage} {record.digest}" for record in stages if record),
        ]
    )
