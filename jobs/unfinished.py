"""Shared work that is not finished: what no index names yet, and must not be lost all the same."""

from collections.abc import Iterable, Iterator

from pipeline.io.parts import read_table
from pipeline.io.workspace import Workspace, columns_path
from pipeline.stages.slices import SLICES


def open_work(workspace: Workspace, paths: Iterable[str]) -> set[str]:
    """Of these files, those of stages measured in slices that may yet come into force.

    A part is finished once an index has named it. Under a fingerprint that has no index yet, or
    under a key that none has named, slices and the parts made of them are hours of work.
    """
    found = [path for path in paths if path.startswith("columns/")]
    sliced = {_fingerprint(path) for path in found if f"/{SLICES}/" in path}
    named = {path for place in sliced for path in _named(workspace, *place)}
    finished = named | {path for path in found if _part_of(path) in named}
    return {path for path in found if _fingerprint(path) in sliced and path not in finished}


def _fingerprint(path: str) -> tuple[str, str]:
    """The stage and fingerprint under which a file lies."""
    _, stage, fingerprint, *_ = path.split("/")
    return stage, fingerprint


def _part_of(path: str) -> str | None:
    """The part that a slice, or a lease on one, belongs to; None for another file."""
    _, stage, fingerprint, *rest = path.split("/")
    if rest[0] != SLICES:
        return None
    return columns_path(stage, fingerprint, rest[1], rest[2])


def _named(workspace: Workspace, stage: str, fingerprint: str) -> Iterator[str]:
    """The parts that any index has named, and the indexes."""
    for entry in workspace.store.list(f"columns/{stage}/{fingerprint}/_index"):
        yield entry.path
        for row in read_table(workspace.store, entry.path).to_pylist():
            yield columns_path(stage, fingerprint, row["part"], row["key"])
