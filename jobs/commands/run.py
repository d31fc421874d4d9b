"""`winnow run`: bring a workspace and its mixtures up to date with a configuration."""

import argparse
import json
import os
import time

from jobs.columns import open_columns
from jobs.configuration import BoundConfiguration, load_configuration
from jobs.console import Console, first_words
from jobs.figures import RunFigures
from jobs.levels import at_levels
from jobs.record import recorded, told_ingest, told_mixtures
from jobs.trial import trial
from pipeline.io.store import open_store, probe
from pipeline.io.workspace import Workspace
from pipeline.spark.engine import Engine
from pipeline.spark.ingest import ingest, ingested
from pipeline.spark.lazy import LazySession
from pipeline.spark.mixture import make_mixture

RATING = "overall_score"
"""The rating that a run's summary explains by examples."""

SHOWN_BYTES = 64 << 20
"""The examples come from the first parts that hold so much text."""


def run(arguments: argparse.Namespace) -> int:
    """Ingest, measure, select and write what is not done yet."""
    bound = load_configuration(
        arguments.config, arguments.set, check_inputs=not arguments.no_ingest
    )
    if arguments.sample is not None:
        bound = trial(bound, arguments.sample)
    console = Console(arguments.log_format)
    if arguments.dry_run:
        return _dry_run(bound, console, arguments)
    with recorded(bound, "run", arguments.set) as record:
        figures = execute(bound, console, arguments)
        record.figures = {
            "ingest": told_ingest(figures.ingest),
            "stages": [vars(stage) for stage in figures.stages],
            "mixtures": told_mixtures(figures.mixtures),
            "spark_seconds": round(figures.spark_seconds, 3),
        }
    if arguments.json:
        print(json.dumps(figures, default=vars))
    else:
        whole = not (arguments.until or arguments.only)
        examples = rated_examples(bound.workspace) if whole else []
        console.run_summary(bound.workspace, figures, examples)
    return 0


def rated_examples(location: str) -> list[str]:
    """The first lines of ten documents at each overall score, so that the number has a meaning."""
    workspace = Workspace(open_store(location))
    columns = open_columns(location) if workspace.documents() else None
    if columns is None or RATING not in columns.addresses:
        return []
    parts, held = [], 0
    for part in columns.parts:
        if held < SHOWN_BYTES:
            parts.append(part)
            held += part.bytes
    found = at_levels(columns, parts, RATING, 10, [1, 2, 3, 4, 5])
    return [f"{value}  {name[:8]}  {first_words(text, 80)}" for value, name, text in found]


def execute(
    bound: BoundConfiguration, console: Console, arguments: argparse.Namespace
) -> RunFigures:
    """Run a checked configuration."""
    from jobs.plan import ingest_options, planned_mixture, planned_stages

    stages = planned_stages(bound, arguments.until, arguments.only)
    os.environ["WINNOW_DRIVER_PID"] = str(os.getpid())
    began = time.monotonic()
    store = open_store(bound.workspace)
    probe(store)
    workspace = Workspace(store)
    workspace.create()
    options = ingest_options(bound, arguments.accept_changes, arguments.reingest, arguments.sample)
    with LazySession("winnow run", arguments.master, store) as session:
        if arguments.no_ingest:
            figures = RunFigures(ingested(workspace))
        else:
            figures = RunFigures(ingest(workspace, bound.inputs, options, session.get, console))
        engine = Engine(workspace, session.get, console)
        figures.stages = engine.run(stages)
        if not (arguments.until or arguments.only):
            for mixture in bound.mixtures:
                plan = planned_mixture(bound, mixture)
                figures.mixtures.append(make_mixture(workspace, plan, session.get, console))
        figures.spark_seconds = session.seconds
    figures.seconds = time.monotonic() - began
    return figures


def _dry_run(bound: BoundConfiguration, console: Console, arguments: argparse.Namespace) -> int:
    """Say what a run would do, without doing it."""
    from jobs.outlook import outlook
    from jobs.plan import ingest_options, planned_stages

    stages = planned_stages(bound, arguments.until, arguments.only)
    options = ingest_options(bound, arguments.accept_changes, arguments.reingest, arguments.sample)
    workspace = Workspace(open_store(bound.workspace))
    calibrate = arguments.calibrate or not arguments.json
    steps = outlook(workspace, bound.inputs, options, stages, calibrate)
    if arguments.json:
        from jobs.schedule import schedule, scheduled_steps

        whole = not (arguments.until or arguments.only)
        names = [mixture.mixture.name for mixture in bound.mixtures if whole]
        steps = scheduled_steps(steps, schedule(stages, names))
    console.outlook(steps, as_json=arguments.json)
    return 0
