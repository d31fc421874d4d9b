"""From a checked configuration to what the engine works on."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from jobs.binding import BoundMixture, BoundStage
from jobs.configuration import BoundConfiguration
from jobs.mixture_files import earlier_fit
from jobs.parameters import resolve
from pipeline.export.formats import Format
from pipeline.export.mixture_plan import MixturePlan
from pipeline.io.beside import Address
from pipeline.io.generations import IngestOptions
from pipeline.io.records import ReadOptions, Segmentation
from pipeline.io.store import open_store
from pipeline.select.fitted_samplers import FittingSampler
from pipeline.select.plan import Selection
from pipeline.select.samplers import Sampler
from pipeline.spark.halves import MAP_HALF, PlannedStage
from pipeline.stages.base import MapStage, RelationalStage, Stage
from pipeline.stages.copied import COPY_OF
from pipeline.stages.exact_dedup import ExactDedup
from pipeline.stages.fingerprint import digest_of
from schemas.config import Segment
from schemas.errors import ConfigurationError
from schemas.tables import SEGMENTS

GROUPS = ("cluster_id", "exact_cluster_id")
"""Columns by which duplicates are kept in one split, the widest first."""

INGEST = "ingest"
"""What comes before all stages, as `--until` knows it."""


def stage_kind(stage: Stage) -> str:
    """map, relational or rater: what a stage needs of the machines that it runs on."""
    if isinstance(stage, RelationalStage):
        return "relational"
    return "rater" if type(stage).__module__.startswith("raters.") else "map"


def planned_stages(
    bound: BoundConfiguration, until: str | None = None, only: str | None = None
) -> list[PlannedStage]:
    """The stages to bring up to date, in order.

    `only` names some, with commas between, and takes with them the stages that they read. The map
    half of a relational stage is one too, as STAGE.map.
    """
    names = [stage.name for stage in bound.stages]
    planned = {stage.name: _planned(bound, stage) for stage in bound.stages}
    for whole in list(planned.values()):
        half = whole.stage.map_half() if isinstance(whole.stage, RelationalStage) else None
        if half is not None:
            name = whole.name + MAP_HALF
            planned[name] = dataclasses.replace(
                whole, name=name, stage=half, half_of=whole.stage.kind
            )
    if until == INGEST and INGEST not in names:
        return []
    if until is not None:
        _check_name("--until", until, names)
        names = names[: names.index(until) + 1]
    if only is not None:
        asked = [name.strip() for name in only.split(",")]
        for name in asked:
            _check_name("--only", name, planned)
        wanted = _with_needs(bound, planned, asked)
        names = [name for name in planned if name in wanted]
    return [planned[name] for name in names]


def _planned(bound: BoundConfiguration, stage: BoundStage) -> PlannedStage:
    addresses = {n: Address(c.stage, c.stored) for n, c in bound.columns.items()}
    fields = {name: column.field for name, column in bound.columns.items()}
    used = stage.where_expression.columns if stage.where_expression else ()
    copies = _copies_before(bound, stage)
    copy_of = Address(copies, COPY_OF) if copies else None
    return PlannedStage(
        stage.name, stage.stage, stage.where, tuple(used), addresses, fields, copy_of
    )


def _copies_before(bound: BoundConfiguration, stage: BoundStage) -> str | None:
    """The stage that says which documents are copies, where this one is to measure none."""
    if not isinstance(stage.stage, MapStage) or stage.stage.measures_copies:
        return None
    before = bound.stages[: bound.stages.index(stage)]
    found = [other.name for other in before if isinstance(other.stage, ExactDedup)]
    return found[-1] if found else None


def _check_name(option: str, name: str, names: Iterable[str]) -> None:
    if name not in names:
        from jobs.settings import nearest

        raise ConfigurationError(f"{option}: no stage '{name}'{nearest(name, list(names))}")


def _with_needs(
    bound: BoundConfiguration, planned: Mapping[str, PlannedStage], names: Sequence[str]
) -> set[str]:
    """The stages and every stage whose columns they read, directly or not."""
    wanted: set[str] = set()
    pending = list(names)
    while pending:
        stage = planned[pending.pop()]
        wanted.add(stage.name)
        pending += [
            owner
            for column in (*stage.stage.columns_read(), *stage.where_columns)
            if (owner := bound.columns[column].stage) and owner not in wanted
        ]
        if stage.copy_of is not None and stage.copy_of.stage is not None:
            pending.append(stage.copy_of.stage)
    return wanted


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
            segment=_segmentation(source.segment, bound.directory) if source.segment else None,
        )
        for source in config.sources
    }
    return IngestOptions(
        config.part_bytes, config.max_rejects, accept_changes, read, part or 1.0, reingest
    )


def _segmentation(segment: Segment, directory: Path) -> Segmentation:
    from pipeline.io.tokenizer import tokenizer_file

    path = resolve(segment.tokenizer, directory)
    return Segmentation(path, digest_of(tokenizer_file(path)), segment.tokens, segment.remainder)


def planned_mixture(bound: BoundConfiguration, mixture: BoundMixture) -> MixturePlan:
    """A mixture as the engine makes it."""
    frame = mixture.mixture
    addresses = {n: Address(c.stage, c.stored) for n, c in bound.columns.items()}
    edits = mixture.edits
    selection = Selection(
        catalogue={name: column.field for name, column in bound.columns.items()},
        sampler=cast("Sampler | FittingSampler", mixture.sampler),
        seed=bound.config.seed,
        where=frame.where,
        score=frame.score,
        unique=frame.unique,
        strata=frame.strata,
        quotas=mixture.quotas,
        budget=mixture.budget,
        shortfall=frame.shortfall,
        max_repeats=frame.max_repeats,
        tokens_column=mixture.tokens_column,
        bytes_column=edits.bytes_column if edits else "n_bytes",
        empty_column=edits.empty_column if edits else None,
        budget_unit=frame.budget_unit,
        eod=frame.ends,
        proportional_to=frame.proportional_to,
        fitted=earlier_fit(frame, open_store(bound.workspace), bound.directory),
    )
    segments = SEGMENTS.names if bound.config.segmented else ()
    documents = ("text", "url", "source", "source_id", *segments, *bound.config.mapped, "metadata")
    groups = [name for name in (*GROUPS, frame.unique, "id") if name and name in bound.columns]
    split_by = tuple(dict.fromkeys(groups))
    written = [*documents, "n_bytes", *selection.columns, *(split_by if frame.validation else ())]
    if edits is not None:
        # Where something stood in a text that was edited tells what it was.
        written = [name for name in written if name not in edits.edits.columns]
        written += edits.counted.values()
    form = cast("Format", mixture.format)
    ids = form.traced if frame.write.ids is None else frame.write.ids
    return MixturePlan(
        frame.name,
        _told(mixture),
        bound.config.seed,
        selection,
        addresses,
        {name: bound.columns[name].field.type for name in dict.fromkeys(written)},
        mixture.tokens_column,
        _tokenizer(mixture.tokenizer),
        tuple(stage.name for stage in bound.stages),
        form,
        ids,
        frame.layout == "per_stratum",
        frame.validation,
        split_by,
        frame.write.shard_tokens,
        edits,
        frame.write.blocks,
    )


def _told(mixture: BoundMixture) -> dict[str, object]:
    """The mixture's keys, with the lines of its file of quotas in the file's place."""
    told: dict[str, object] = mixture.mixture.model_dump(mode="json", exclude_defaults=True)
    if not isinstance(mixture.quotas, str):
        lines = [{**vars(line), "share": str(line.share)} for line in mixture.quotas]
        told |= {"quotas": lines, "tokens": mixture.budget}
    return told


def _tokenizer(path: str | None) -> dict[str, str] | None:
    """Name and digest of whose tokens are counted; no path of this machine."""
    if path is None:
        return None
    from pipeline.io.tokenizer import tokenizer_file

    file = tokenizer_file(path)
    name = "shipped" if path == "shipped" else Path(path).name
    return {"name": name, "sha256": digest_of(file)}
