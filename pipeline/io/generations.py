"""Generations: which inputs are new, the plan by which they are read, and its commit."""

import importlib.metadata
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.io.contents import Key, whole_digest
from pipeline.io.digests import canonical_json
from pipeline.io.extraction import extraction_version
from pipeline.io.faults import fault
from pipeline.io.ingest import IngestTask, tasks_folder
from pipeline.io.inputs import InputFile, Unit, open_input
from pipeline.io.records import ReadOptions
from pipeline.io.tally import COUNTS
from pipeline.io.workspace import DocumentsPart, Workspace
from schemas.errors import ConfigurationError, WinnowError

SMALLEST_PART = 4_000_000
"""No part is cut smaller than this unless `part_bytes` says so."""

PARTS_PER_GENERATION = 64
"""A generation gives at least this many parts where they would not be smaller than that."""

_ADVICE = (
    "the documents that are there stay as they are: set it back, name a new workspace, or read "
    "everything anew with --reingest"
)


@dataclass(frozen=True)
class IngestOptions:
    """What the configuration and the command say of ingest."""

    part_bytes: int
    max_rejects: float
    accept_changes: bool
    read: Mapping[str, ReadOptions]
    """By source."""
    share: float = 1.0
    """Of the documents, for a trial."""
    reingest: bool = False
    """Read everything anew; the documents that are there are replaced."""


def new_inputs(
    generations: Sequence[Mapping[str, Any]],
    inputs: Mapping[str, Sequence[InputFile]],
    options: IngestOptions,
) -> list[InputFile]:
    """The files that no generation names.

    ConfigurationError where documents that are there were read by other options; WinnowError
    where a file has changed or is gone, unless `accept_changes` says to go on without it.
    """
    current = {(file.source, file.path): file for files in inputs.values() for file in files}
    if options.reingest:
        return list(current.values())
    known = {(i["source"], i["path"]): i for record in generations for i in record["inputs"]}
    new = [file for key, file in current.items() if key not in known]
    fresh = {file.source for file in new}
    for record in generations:
        _check_options(record, options, fresh)
    changed = [key for key, item in known.items() if _changed(current.get(key), item)]
    if changed and not options.accept_changes:
        source, path = changed[0]
        if source not in options.read:
            what = "was ingested, but the configuration has no such source any more"
        else:
            what = "has changed since it was ingested" if changed[0] in current else "is gone"
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        raise WinnowError(
            f"source {source}: {path} {what}{more}; restore it, go on with the documents "
            "as they were ingested with --accept-changes, or read everything anew with --reingest"
        )
    return new


def _changed(file: InputFile | None, item: Mapping[str, Any]) -> bool:
    return file is None or (file.size, file.stamp) != (item["size"], item["stamp"])


def _told(options: ReadOptions) -> dict[str, Any]:
    """What decides the documents of a source; columns that only other sources map don't."""
    types = {name: options.types[name] for name in options.columns if name in options.types}
    told = {**asdict(options), "types": types}
    segment = told.pop("segment")
    if segment is not None:
        # Where the tokenizer lies says nothing.
        segment["tokenizer"] = segment.pop("digest")
        told |= {f"segment.{name}": value for name, value in segment.items()}
    return told


def _tokenizers(options: Iterable[ReadOptions]) -> str | None:
    """The version of what cuts documents into segments; None where nothing does."""
    if all(each.segment is None for each in options):
        return None
    return f"tokenizers {importlib.metadata.version('tokenizers')}"


def _check_options(record: Mapping[str, Any], options: IngestOptions, fresh: set[str]) -> None:
    if record["share"] != options.share:
        raise ConfigurationError(
            f"the workspace holds a share of {record['share']:g} of the documents, "
            f"now {options.share:g} is asked for; delete it, or say --reingest"
        )
    for source, before in record["read"].items():
        if source not in options.read:
            continue
        now = _told(options.read[source])
        for name in sorted(now.keys() | before.keys()):
            if now.get(name) != before.get(name):
                raise ConfigurationError(
                    f"sources.{source}: {name} was {json.dumps(before.get(name))} when its "
                    f"documents were read, now it is {json.dumps(now.get(name))}; {_ADVICE}"
                )
        if source in fresh and record["extraction"] != extraction_version():
            raise ConfigurationError(
                f"sources.{source}: earlier documents were extracted by {record['extraction']}, "
                f"new ones would be by {extraction_version()}; {_ADVICE}"
            )
        cutting = _tokenizers([options.read[source]])
        if source in fresh and cutting not in (None, record.get("segmentation")):
            raise ConfigurationError(
                f"sources.{source}: earlier documents were cut by {record.get('segmentation')}, "
                f"new ones would be by {cutting}; {_ADVICE}"
            )


def part_target(total: int, part_bytes: int) -> int:
    """Bytes that a part of a generation holds: never a matter of how many cores there are."""
    return max(1, min(part_bytes, max(total // PARTS_PER_GENERATION, SMALLEST_PART)))


def cut(files: Sequence[InputFile], target: int) -> list[tuple[Unit, ...]]:
    """Split large files and pack small ones: the units of each task, one source a task."""
    from pipeline.io.formats import load_format

    tasks: list[tuple[Unit, ...]] = []
    pending: list[Unit] = []
    held = 0.0
    for file in files:
        reader = load_format(file.format)
        with open_input(file.location) as stream:
            ranges = reader.splits(stream, file.path, file.size, target)
        weight = file.size / max(1, len(ranges))
        for number, (start, end) in enumerate(ranges):
            if pending and (pending[0].file.source != file.source or held + weight > target):
                tasks.append(tuple(pending))
                pending, held = [], 0.0
            pending.append(Unit(file, start, end, (number, len(ranges))))
            held += weight
    if pending:
        tasks.append(tuple(pending))
    return tasks


@dataclass(frozen=True)
class GenerationPlan:
    """All that decides a generation's documents: the same plan gives the same bytes."""

    target: int
    share: float
    replaces: bool
    read: Mapping[str, ReadOptions]
    tasks: tuple[tuple[Unit, ...], ...]

    def content(self) -> bytes:
        """As it is kept."""
        return canonical_json({**asdict(self), "extraction": extraction_version()}).encode()

    def ingest_tasks(self, workspace: str, number: int) -> list[IngestTask]:
        """The work, under the number that `claim` gave."""
        return [
            IngestTask(
                workspace,
                number,
                index,
                units,
                self.read[units[0].file.source],
                self.target,
                self.share,
            )
            for index, units in enumerate(self.tasks)
        ]


def make_plan(files: Sequence[InputFile], options: IngestOptions) -> GenerationPlan:
    """The plan that reads these files."""
    target = part_target(sum(file.size for file in files), options.part_bytes)
    read = {file.source: options.read[file.source] for file in files}
    return GenerationPlan(target, options.share, options.reingest, read, tuple(cut(files, target)))


def claim(workspace: Workspace, plan: GenerationPlan) -> int | None:
    """The number of the generation that `plan` makes; None where another is committed meanwhile.

    A run that was killed with the same plan has left a number, and all that it finished, to go on
    from; an unfinished generation of another plan is given up.
    """
    content = plan.content()
    number = max((int(record["generation"]) for record in workspace.decided()), default=0)
    while True:
        number += 1
        path = f"{tasks_folder(number)}/plan.json"
        fault("ingest.plan.before")
        made = workspace.store.create(path, content)
        fault("ingest.plan.after")
        if made or workspace.store.read(path) == content:
            return number
        if not workspace.give_up_generation(number):
            return None


def commit(
    workspace: Workspace, number: int, plan: GenerationPlan, results: Sequence[Mapping[str, Any]]
) -> None:
    """Make the generation count, once every record of every file is accounted for."""
    parts = [DocumentsPart(**part) for result in results for part in result["parts"]]
    tallies, contents = _by_file(results), _contents(results)
    inputs = {
        (unit.file.source, unit.file.path): {
            "source": unit.file.source,
            "path": unit.file.path,
            "size": unit.file.size,
            "stamp": unit.file.stamp,
            **tallies[unit.file.source, unit.file.path],
            **contents.get((unit.file.source, unit.file.path), {}),
        }
        for units in plan.tasks
        for unit in units
    }
    ordered = [inputs[key] for key in sorted(inputs)]
    documents = sum(part.rows for part in parts)
    counted = sum(int(str(item["documents"])) for item in ordered)
    if documents != counted:
        raise WinnowError(f"ingest counted {counted} documents but wrote {documents}: a defect")
    record: dict[str, object] = {
        "documents": documents,
        "inputs": ordered,
        "read": {source: _told(options) for source, options in plan.read.items()},
        "extraction": extraction_version(),
        "share": plan.share,
        "replaces": plan.replaces,
    }
    if (cutting := _tokenizers(plan.read.values())) is not None:
        record["segmentation"] = cutting
    if not workspace.commit_generation(number, parts, record):
        raise WinnowError(
            "another run on this workspace, with other inputs or options, has taken over; "
            "run again when it has ended"
        )


def _contents(results: Sequence[Mapping[str, Any]]) -> dict[Key, dict[str, Any]]:
    """The digest of each file all of whose units have one, and of how many shares it is made."""
    shares: dict[Key, list[str | None]] = {}
    for result in sorted(results, key=lambda result: int(result["task"])):
        told = result.get("digests") or [None] * len(result["tallies"])
        for tally, digest in zip(result["tallies"], told, strict=True):
            shares.setdefault((tally["source"], tally["path"]), []).append(digest)
    return {
        key: {"content": {"shares": len(found), "sha256": whole_digest(found)}}
        for key, digests in shares.items()
        if len(found := [digest for digest in digests if digest]) == len(digests)
    }


def _by_file(results: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    files: dict[tuple[str, str], dict[str, Any]] = {}
    for result in results:
        for tally in result["tallies"]:
            entry = files.setdefault(
                (tally["source"], tally["path"]),
                {"records": 0, "documents": 0, "bytes": 0, **{kind: {} for kind in COUNTS}},
            )
            for name in ("records", "documents", "bytes"):
                entry[name] += tally[name]
            for name in COUNTS:
                sums = Counter(entry[name])
                sums.update(tally.get(name, {}))
                entry[name] = dict(sorted(sums.items()))
    return files
