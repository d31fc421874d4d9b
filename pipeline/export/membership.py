"""Which documents a mixture holds, and what changed between two."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.export.data_sets import data_sets_of
from pipeline.export.lists import Manifest
from pipeline.export.samples import STRATUM, format_of, read_samples
from pipeline.io.store import open_store

Ids = npt.NDArray[np.bytes_]


@dataclass(frozen=True)
class Members:
    """The documents of a mixture in the order of their ids, each once however often repeated."""

    ids: Ids
    strata: npt.NDArray[np.int64]
    """Each document's stratum, as its place in `names`."""
    names: tuple[str, ...]
    tokens: npt.NDArray[np.int64]
    """Of all copies together."""

    def inside(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Which of these ids are among the documents."""
        places = np.searchsorted(self.ids, ids)
        found = np.zeros(len(ids), bool)
        near = places < len(self.ids)
        found[near] = self.ids[places[near]] == ids[near]
        return found


def read_members(location: str, manifest: Manifest) -> Members:
    """The documents that the shards of a mixture hold."""
    store, form = open_store(location), format_of(manifest)
    strata = manifest["config"].get("strata", ())
    numbers: dict[str, int] = {}
    found: list[tuple[Ids, npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
    for data in data_sets_of(manifest):
        for shard in data.shards:
            for batch in read_samples(store, form, shard, strata, rows=4096):
                keys = batch.column(STRATUM).to_pylist()
                codes = [numbers.setdefault(key, len(numbers)) for key in keys]
                tokens = batch.column("n_tokens").fill_null(0).to_numpy()
                found.append((as_ids(batch.column("id")), np.array(codes, np.int64), tokens))
    if not found:
        empty = np.zeros(0, np.int64)
        return Members(np.zeros(0, "S32"), empty, (), empty)
    ids, codes, tokens = (np.concatenate(parts) for parts in zip(*found, strict=True))
    unique, first, places = np.unique(ids, return_index=True, return_inverse=True)
    sums = np.zeros(len(unique), np.int64)
    np.add.at(sums, places, tokens)
    return Members(unique, codes[first], tuple(numbers), sums)


def as_ids(column: pa.Array) -> Ids:
    """Ids as fixed bytes, which sort and compare fast."""
    return np.asarray(column.to_numpy(zero_copy_only=False).astype("S32"))


@dataclass
class Change:
    """Documents and tokens that stayed, entered and left."""

    stayed: int = 0
    entered: int = 0
    entered_tokens: int = 0
    left: int = 0
    left_tokens: int = 0


@dataclass
class Difference:
    """What entered and what left, of the documents and by stratum."""

    entered: Ids
    left: Ids
    strata: dict[str, Change] = field(default_factory=dict)


def compare(before: Members, after: Members) -> Difference:
    """What entered and left from one mixture to the other; a document's stratum is its own's."""
    leaves, enters = ~after.inside(before.ids), ~before.inside(after.ids)
    found: dict[str, Change] = {}
    for members, changed, new in ((before, leaves, False), (after, enters, True)):
        documents, tokens, kept = Counter[str](), Counter[str](), Counter[str]()
        for code, name in enumerate(members.names):
            mine = members.strata == code
            documents[name] = int((mine & changed).sum())
            tokens[name] = int(members.tokens[mine & changed].sum())
            kept[name] = int((mine & ~changed).sum())
        for name in members.names:
            change = found.setdefault(name, Change())
            if new:
                change.entered, change.entered_tokens = documents[name], tokens[name]
                change.stayed = kept[name]
            else:
                change.left, change.left_tokens = documents[name], tokens[name]
    strata = {name: found[name] for name in sorted(found)}
    return Difference(after.ids[enters], before.ids[leaves], strata)
