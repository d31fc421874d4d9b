"""The data sets of a mixture: its splits, and its strata where they are kept apart."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.export.formats import DataSet, Shard
from pipeline.select.draws import draws

TRAIN, VALIDATION = "train", "validation"


def plan_data_sets(strata: Sequence[str], per_stratum: bool, validation: bool) -> list[DataSet]:
    """The data sets, in the order in which the manifest has their shards.

    One alone lies in the mixture's own folder; else a stratum has a folder, and in it a split.
    """
    found = []
    for split in (TRAIN, VALIDATION) if validation else (TRAIN,):
        for stratum in strata if per_stratum else (None,):
            folders = [] if stratum is None else [stratum_folder(stratum)]
            folders += [split] if validation else []
            found.append(DataSet(split, "/".join(folders), stratum))
    return found


def stratum_folder(stratum: str) -> str:
    """A stratum's folder: its values where they are plain words, else with a digest of its key."""
    values = [str(value) for value in json.loads(stratum)] or ["all"]
    name = "-".join(values)
    if all(re.fullmatch(r"[A-Za-z0-9_]{1,40}", value) for value in values):
        return name
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")[:60]
    return f"{plain or 'stratum'}-{hashlib.sha256(stratum.encode()).hexdigest()[:8]}"


def held_out(seed: int, share: float, groups: pa.Array) -> npt.NDArray[np.bool_]:
    """Which rows are for validation: all rows of a group or none."""
    return draws(seed, VALIDATION, groups) < np.uint64(int(share * 2**64))


def data_sets_of(manifest: Mapping[str, Any]) -> list[DataSet]:
    """The data sets that a manifest tells of, with their shards in order."""
    shards = {told["path"]: Shard.from_json(told) for told in manifest["shards"]}
    found: dict[tuple[str, str | None], DataSet] = {}
    for split, told in manifest["splits"].items():
        for path in told["shards"]:
            shard = shards[path]
            folder = path.rpartition("/")[0]
            data = found.setdefault((split, shard.stratum), DataSet(split, folder, shard.stratum))
            found[split, shard.stratum] = replace(data, shards=(*data.shards, shard))
    return list(found.values())
