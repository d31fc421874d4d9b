"""A mixture's plan made again from the columns of its workspace, and what is not as it says."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pyarrow as pa

from jobs.columns import WorkspaceColumns
from jobs.commands.explain import selection_of
from pipeline.select.bins import Cut
from pipeline.select.passes import InProcess, Outcome, make_plan
from pipeline.select.quotas import Quota
from pipeline.select.strata import stratum_label


def replan(columns: WorkspaceColumns, manifest: Mapping[str, Any]) -> Outcome:
    """The plan that the mixture's configuration gives of these columns, in this process."""
    config = manifest["config"]
    quotas = config.get("quotas", "proportional")
    if not isinstance(quotas, str):
        quotas = tuple(Quota(**{**line, "share": Fraction(line["share"])}) for line in quotas)
    told = selection_of(manifest, columns)
    selection = replace(
        told,
        quotas=quotas,
        budget=config.get("tokens"),
        shortfall=config.get("shortfall", "redistribute"),
        max_repeats=config.get("max_repeats"),
        proportional_to=config.get("proportional_to", "pool"),
        # What was frozen by an earlier mixture is taken as given, all else is fitted again.
        fitted=told.fitted if config.get("fit_from") else {},
    )

    def read() -> Iterator[pa.RecordBatch]:
        for part in columns.parts:
            for _, batch in columns.read(list(selection.columns), part):
                yield batch

    return make_plan(selection, InProcess(read))


def plan_problems(columns: WorkspaceColumns, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Where the plan and the funnel of a manifest are not what the columns give."""
    outcome = replan(columns, manifest)
    steps = {step["step"]: step["documents"] for step in manifest["funnel"]}
    for rule, documents, _ in outcome.funnel:
        if steps.get(rule) != documents:
            yield f"funnel: {rule} leaves {steps.get(rule)}, the columns give {documents}"
    cuts = {cut["stratum"]: cut for cut in manifest["selection"]["strata"]}
    fields = [name for name in Cut.__dataclass_fields__ if not name.startswith("achieved")]
    if not manifest["config"].get("validation"):
        fields += ["achieved", "achieved_documents"]
    for cut in outcome.plan.strata:
        told = cuts.pop(cut.stratum, {})
        for name in fields:
            found = getattr(cut, name)
            if told.get(name) != found:
                label = stratum_label(cut.stratum)
                yield f"selection: {name} of {label} is {told.get(name)}, the columns give {found}"
    for stratum in cuts:
        yield f"selection: the columns have no stratum {stratum_label(stratum)}"
