"""What a run would do, without doing it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from jobs.calibration import forecast
from pipeline.io.contents import touched_stamps, with_stamps
from pipeline.io.generations import IngestOptions, new_inputs
from pipeline.io.inputs import InputFile
from pipeline.io.workspace import Workspace
from pipeline.spark.halves import PlannedStage
from pipeline.spark.standing import Standing, stage_states


def outlook(
    workspace: Workspace,
    inputs: Mapping[str, Sequence[InputFile]],
    options: IngestOptions,
    stages: Sequence[PlannedStage],
    calibrate: bool,
) -> list[dict[str, Any]]:
    """For ingest and each stage: what there is to do, in files, parts and documents.

    For a rater stage also the documents to be rated; if asked to calibrate, tokens and time too.
    """
    generations: list[dict[str, Any]] = []
    if workspace.store.exists("workspace.json"):
        workspace.check()
        generations = workspace.generations()
        generations = with_stamps(generations, touched_stamps(generations, inputs))
    new = new_inputs(generations, inputs, options)
    steps: list[dict[str, Any]] = [
        {"step": "ingest", "files": len(new), "bytes": sum(file.size for file in new)}
    ]
    standing = Standing(workspace)
    for state in stage_states(standing, stages):
        parts = state.parts
        step = {"step": state.name, "parts": len(parts), "documents": sum(p.rows for p in parts)}
        if state.halves[0].sliced:
            found = asdict(forecast(standing, state, calibrate))
            if not standing.parts:
                found["note"] = "not calibrated: there are no documents yet"
            step["rating"] = found
        steps.append(step)
    return steps
