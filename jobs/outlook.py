"""What a run would do, without doing it."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.io.generations import IngestOptions, new_inputs
from pipeline.io.inputs import InputFile
from pipeline.io.workspace import Workspace
from pipeline.spark.halves import PlannedStage
from pipeline.stages.fingerprint import fingerprint


def outlook(
    workspace: Workspace,
    inputs: Mapping[str, Sequence[InputFile]],
    options: IngestOptions,
    stages: Sequence[PlannedStage],
) -> list[dict[str, Any]]:
    """For ingest and each stage: what there is to do, in files, parts and documents."""
    generations: list[dict[str, Any]] = []
    parts = []
    if workspace.store.exists("workspace.json"):
        workspace.check()
        generations = workspace.generations()
        parts = workspace.documents()
    new = new_inputs(generations, inputs, options)
    steps: list[dict[str, Any]] = [
        {"step": "ingest", "files": len(new), "bytes": sum(file.size for file in new)}
    ]
    for stage in stages:
        record = workspace.stage(stage.name)
        current = record is not None and _matches(record.fingerprint, stage)
        done = set(record.parts) if record and current else set()
        todo = [part for part in parts if part.part not in done]
        rows = sum(part.rows for part in todo)
        steps.append({"step": stage.name, "parts": len(todo), "documents": rows})
    return steps


def _matches(found: str, stage: PlannedStage) -> bool:
    from pipeline.spark.halves import stage_fingerprint

    return found in (fingerprint(stage.stage), stage_fingerprint(stage.stage))
