"""From a checked configuration to what the engine works on."""

from pathlib import Path
from typing import cast

from jobs.binding import BoundMixture, BoundStage
from jobs.configuration import BoundConfiguration
from pipeline.export.mixture_plan import MixturePlan
from pipeline.io.beside import Address
from pipeline.io.generations import IngestOptions
from pipeline.io.records import ReadOptions
from pipeline.select.fitted_samplers import FittingSampler
from pipeline.select.plan import Selection
from pipeline.select.samplers import Sampler
from pipeline.spark.halves import PlannedStage
from pipeline.stages.base import MapStage
from pipeline.stages.copied import COPY_OF
from pipeline.stages.exact_dedup import ExactDedup
from pipeline.stages.fingerprint import digest_of
from schemas.errors import ConfigurationError


def planned_stages(
    bound: BoundConfiguration, until: str | None = None, only: str | None = None
) -> list[PlannedStage]:
    """The stages to bring up to date, in order; `only` takes with it the stages that it reads."""
    names = [stage.name for stage in bound.stages]
    for option, name in (("--until", until), ("--only", only)):
        if name is not None and name not in names:
            from jobs.settings import nearest

            raise ConfigurationError(f"{option}: no stage '{name}'{nearest(name, names)}")
    if until is not None:
        names = names[: names.index(until) + 1]
    if only is not None:
        names = _with_needs(bound, only)
    addresses = {n: Address(c.stage, c.stored) for n, c in bound.columns.items()}
    fields = {name: column.field for name, column in bound.columns.items()}
    stages = {stage.name: stage for stage in bound.stages}
    planned = []
    for name in names:
        stage = stages[name]
        used = stage.where_expression.columns if stage.where_expression else ()
        copies = _copies_before(bound, stage)
        copy_of = Address(copies, COPY_OF) if copies else None
        planned.append(
            PlannedStage(name, stage.stage, stage.where, tuple(used), addresses, fields, copy_of)
        )
    return planned


def _copies_before(bound: BoundConfiguration, stage: BoundStage) -> str | None:
    """The stage that says which documents are copies, where this one is to measure none."""
    if not isinstance(stage.stage, MapStage) or stage.stage.measures_copies:
        return None
    before = bound.stages[: bound.stages.index(stage)]
    found = [other.name for other in before if isinstance(other.stage, ExactDedup)]
    return found[-1] if found else None


def _with_needs(bound: BoundConfiguration, name: str) -> list[str]:
    """The stage and every stage whose columns it reads, directly or not, in order."""
    stages = {stage.name: stage for stage in bound.stages}
    wanted: set[str] = set()
    pending = [name]
    while pending:
        stage = stages[pending.pop()]
        wanted.add(stage.name)
        used = stage.where_expression.columns if stage.where_expression else ()
        pending += [
            owner
            for column in (*stage.stage.reads, *used)
            if (owner := bound.columns[column].stage) and owner not in wanted
        ]
        if copies := _copies_before(bound, stage):
            pending.append(copies)
    return [stage.name for stage in bound.stages if stage.name in wanted]


def ingest_options(
    bound: BoundConfiguration,
    accept_changes: bool = False,
    reingest: bool = False,
    part: float | None = None,
) -> IngestOptions:
    """How each source is read; `part` is the share of the documents that a trial takes."""
    config = bound.config
    read = {
        source.name: ReadOptions(
            columns={name: column.key for name, column in source.columns.items()},
            types=config.mapped,
            max_document_bytes=config.max_document_bytes,
            unit=source.unit or "file",
            extractor=source.extractor or "resiliparse",
        )
        for source in config.sources
    }
    return IngestOptions(
        config.part_bytes, config.max_rejects, accept_changes, read, part or 1.0, reingest
    )


def planned_mixture(bound: BoundConfiguration, mixture: BoundMixture) -> MixturePlan:
    """A mixture as the engine makes it."""
    frame = mixture.mixture
    addresses = {n: Address(c.stage, c.stored) for n, c in bound.columns.items()}
    selection = Selection(
        catalogue={name: column.field for name, column in bound.columns.items()},
        sampler=cast("Sampler | FittingSampler", mixture.sampler),
        seed=bound.config.seed,
        where=frame.where,
        score=frame.score,
        unique=frame.unique,
        strata=frame.strata,
        quotas=frame.quotas,
        budget=frame.tokens,
        shortfall=frame.shortfall,
        max_repeats=frame.max_repeats,
        tokens_column=mixture.tokens_column,
        budget_unit=frame.budget_unit,
    )
    documents = ("text", "url", "source", "source_id", *bound.config.mapped, "metadata")
    written = (*documents, "n_bytes", *selection.columns)
    return MixturePlan(
        frame.name,
        frame.model_dump(mode="json", exclude_defaults=True),
        bound.config.seed,
        selection,
        addresses,
        {name: bound.columns[name].field.type for name in dict.fromkeys(written)},
        mixture.tokens_column,
        _tokenizer(mixture.tokenizer),
        tuple(stage.name for stage in bound.stages),
    )


def _tokenizer(path: str | None) -> dict[str, str] | None:
    """Name and digest of whose tokens are counted; no path of this machine."""
    if path is None:
        return None
    from pipeline.stages.tokens import tokenizer_file

    file = tokenizer_file(path)
    name = "shipped" if path == "shipped" else Path(path).name
    return {"name": name, "sha256": digest_of(file)}
