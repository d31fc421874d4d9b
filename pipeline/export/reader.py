"""A mixture as a PyTorch dataset: sharded, in one order for any number of workers, resumable."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from pipeline.export.blocks import BlockReader
from pipeline.export.data_sets import TRAIN
from pipeline.export.order import Blocks, Deal
from pipeline.export.verify import read_manifest
from schemas.errors import ConfigurationError, WinnowError

State = dict[str, Any]
Sample = dict[str, Any]


class MixtureDataset(IterableDataset[Sample]):
    """The samples of a split in the order that its manifest fixes.

    A sample has `id`, `source`, `stratum`, `copy`, `n_tokens`, and `text` or `input_ids`.
    `batch_size` is that of the DataLoader: with several workers the order depends on it. Rank and
    ranks are those of torch.distributed, else of RANK and WORLD_SIZE, unless they are given.
    """

    def __init__(
        self,
        location: str,
        split: str = TRAIN,
        *,
        stratum: str | None = None,
        batch_size: int = 1,
        rank: int | None = None,
        ranks: int | None = None,
        even: bool = False,
        check: bool = True,
    ) -> None:
        """`even`: every rank takes as many samples, and the last few are left out.

        `check`: a shard's digests are compared with the manifest before its first sample.
        """
        manifest = read_manifest(str(location))
        if split not in manifest["splits"]:
            raise ConfigurationError(
                f"{location} has no split '{split}', only {', '.join(manifest['splits'])}"
            )
        self._reader = BlockReader(str(location), manifest, split, stratum, check)
        self._blocks = Blocks(self._reader.rows, manifest["splits"][split]["blocks"])
        self._identity = {
            "mixture": manifest["mixture_digest"],
            "split": split,
            "stratum": stratum,
        }
        self._batch_size, self._even = batch_size, even
        self._rank, self._ranks = rank, ranks
        self._start = self._taken = 0
        self._resumed = False
        self._tokens: Counter[str] = Counter()
        self._deal().check(self._blocks.blocks)

    @property
    def rows(self) -> int:
        """Samples of the split, over all ranks."""
        return self._blocks.rows

    def _deal(self) -> Deal:
        rank, ranks = _place(self._rank, self._ranks)
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        return Deal(rank, ranks, worker, workers, self._batch_size, self._start)

    def __iter__(self) -> Iterator[Sample]:
        """From the beginning, or once from where a loaded state was taken."""
        if not self._resumed:
            self._start = self._taken = 0
            self._tokens.clear()
        self._resumed = False
        deal = self._deal()
        deal.check(self._blocks.blocks)
        rows = self._reader.open(self._blocks)
        for index in deal.indices(self._taken, self._blocks.rows, self._even):
            sample = rows.read(index)
            if "input_ids" in sample:
                sample["input_ids"] = torch.tensor(sample["input_ids"], dtype=torch.long)
            self._taken += 1
            self._tokens[sample["stratum"]] += sample["n_tokens"]
            yield sample

    def state_dict(self) -> State:
        """Where this copy of the dataset is; a DataLoader's worker has a copy of its own."""
        deal = self._deal()
        return {
            **self._identity,
            "start": self._start,
            "taken": self._taken,
            "rank": deal.rank,
            "ranks": deal.ranks,
            "worker": deal.worker,
            "workers": deal.workers,
            "batch_size": self._batch_size,
            "tokens": dict(self._tokens),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after the samples that were taken when `state_dict` or `merge_states` gave it.

        The state of one process, or a merged one, fits any number of ranks and workers; that of
        one of several workers fits the same worker alone.
        """
        for name, value in self._identity.items():
            if state[name] != value:
                raise WinnowError(f"the state is of another {name}: {state[name]}, not {value}")
        if state["workers"] > 1:
            deal = self._deal()
            for name in ("rank", "ranks", "worker", "workers", "batch_size"):
                if state[name] != getattr(deal, name):
                    raise WinnowError(
                        f"the state is of a worker with {name} {state[name]}, not"
                        f" {getattr(deal, name)}; `merge_states` of all workers' states fits any"
                    )
            self._start, self._taken = state["start"], state["taken"]
        else:
            self._start, self._taken = state["start"] + state["taken"] * state["ranks"], 0
        self._tokens = Counter(state["tokens"])
        self._resumed = True

    def shares(self) -> dict[str, float]:
        """The share of each stratum in the tokens that this copy has given."""
        return token_shares([self.state_dict()])


def _place(rank: int | None, ranks: int | None) -> tuple[int, int]:
    if rank is not None and ranks is not None:
        return rank, ranks
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def _states(found: object) -> Iterator[Mapping[str, Any]]:
    """The states of datasets anywhere inside what a loader or a user keeps."""
    if isinstance(found, Mapping):
        if {"mixture", "taken", "tokens"} <= found.keys():
            yield found
            return
        found = list(found.values())
    if isinstance(found, list | tuple):
        for item in found:
            yield from _states(item)


def merge_states(*states: object) -> State:
    """One state that fits any number of ranks and workers, of all workers of a rank or of all.

    Takes states of datasets, and those of StatefulDataLoaders, which hold one for each worker.
    Ranks must be in step: each has taken as many samples.
    """
    found = list(_states(states))
    if not found:
        raise WinnowError("there is no state of a MixtureDataset in this")
    first = found[0]
    taken: Counter[int] = Counter()
    workers: dict[int, set[int]] = {}
    tokens: Counter[str] = Counter()
    for state in found:
        for name in ("mixture", "split", "stratum", "start", "ranks", "workers"):
            if state[name] != first[name]:
                raise WinnowError(f"the states differ in {name}")
        taken[state["rank"]] += state["taken"]
        workers.setdefault(state["rank"], set()).add(state["worker"])
        tokens.update(state["tokens"])
    if any(len(mine) != first["workers"] for mine in workers.values()):
        raise WinnowError(f"the states are not those of all {first['workers']} workers")
    if len(set(taken.values())) != 1:
        raise WinnowError(f"the ranks are not in step: they took {dict(sorted(taken.items()))}")
    return {
        **{name: first[name] for name in ("mixture", "split", "stratum", "start", "ranks")},
        "taken": next(iter(taken.values())),
        "rank": 0,
        "worker": 0,
        "workers": 1,
        "batch_size": first["batch_size"],
        "tokens": dict(tokens),
    }


def token_shares(states: Iterable[object]) -> dict[str, float]:
    """The share of each stratum in the tokens that were given, over all these states."""
    tokens: Counter[str] = Counter()
    for state in _states(list(states)):
        tokens.update(state["tokens"])
    total = sum(tokens.values()) or 1
    return {stratum: tokens[stratum] / total for stratum in sorted(tokens)}
