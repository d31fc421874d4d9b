"""`winnow select`: redo a selection; the measuring stays as it is."""

import argparse
import contextlib
import json
from collections.abc import Iterator, Sequence

from jobs.binding import BoundMixture
from jobs.configuration import BoundConfiguration, load_configuration
from jobs.console import Console
from jobs.previews import show_preview, told_preview
from jobs.record import recorded, told_mixtures
from jobs.settings import nearest
from pipeline.export.lists import Manifest
from pipeline.io.store import open_store
from pipeline.io.workspace import Workspace
from pipeline.spark.lazy import LazySession
from pipeline.spark.mixture import MixtureFigures, make_mixture
from pipeline.spark.preview import preview_mixture
from schemas.errors import ConfigurationError, WinnowError


def select(arguments: argparse.Namespace) -> int:
    """Plan and write the mixtures of a configuration; with --dry-run plan only."""
    from jobs.plan import planned_mixture

    bound = load_configuration(arguments.config, arguments.set, check_inputs=False)
    console = Console(arguments.log_format)
    workspace = Workspace(open_store(bound.workspace))
    workspace.check()
    _check_measured(bound, workspace)
    chosen = [planned_mixture(bound, mixture) for mixture in _chosen(bound, arguments.mixture)]
    made: list[MixtureFigures] = []
    manifests: list[Manifest] = []
    recording = contextlib.nullcontext() if arguments.dry_run else _recorded(bound, arguments, made)
    with recording, LazySession("winnow select", arguments.master, workspace.store) as session:
        for plan in chosen:
            if arguments.dry_run:
                preview = preview_mixture(workspace, plan, session.get, console)
                manifests.append(told_preview(preview))
                if not arguments.json:
                    show_preview(console, preview)
                continue
            made.append(make_mixture(workspace, plan, session.get, console))
            manifests.append(dict(made[-1].manifest))
            if not arguments.json:
                console.mixture(plan.name, manifests[-1], made[-1].made)
    if arguments.json:
        print(json.dumps(manifests))
    return 0


@contextlib.contextmanager
def _recorded(
    bound: BoundConfiguration, arguments: argparse.Namespace, made: Sequence[MixtureFigures]
) -> Iterator[None]:
    with recorded(bound, "select", arguments.set) as record:
        yield
        record.figures = {"mixtures": told_mixtures(made)}


def _chosen(bound: BoundConfiguration, name: str | None) -> list[BoundMixture]:
    names = [mixture.mixture.name for mixture in bound.mixtures]
    if name is not None and name not in names:
        raise ConfigurationError(f"--mixture: no mixture '{name}'{nearest(name, names)}")
    return [m for m in bound.mixtures if name in (None, m.mixture.name)]


def _check_measured(bound: BoundConfiguration, workspace: Workspace) -> None:
    from jobs.plan import planned_stages
    from pipeline.spark.standing import Standing, stage_states

    for state in stage_states(Standing(workspace), planned_stages(bound)):
        if state.reason != "in force":
            raise WinnowError(
                f"stage {state.name} is not up to date; measure first: winnow run {bound.path}"
            )
