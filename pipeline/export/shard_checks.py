"""What a mixture's shards hold, against what its manifest says of them."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.export.data_sets import data_sets_of
from pipeline.export.edit_checks import EditChecks
from pipeline.export.formats import DataSet, File, Shard, counts_ends
from pipeline.export.row_checks import check_content, check_file, check_rules
from pipeline.export.samples import STRATUM, format_of, read_samples
from pipeline.io.store import Store
from pipeline.select.draws import draws
from pipeline.select.strata import stratum_label
from schemas.errors import ConfigurationError, WinnowError

_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, ConfigurationError, WinnowError)


_ROWS = 4096
"""Rows that are checked at once."""


class ShardChecks:
    """One pass over all shards, some rows at a time; sums are kept, rows are not."""

    def __init__(self, store: Store, manifest: Mapping[str, Any]) -> None:
        self._store, self._manifest = store, manifest
        self._config: Mapping[str, Any] = manifest["config"]
        self._format = format_of(manifest)
        self._ends = counts_ends(manifest)
        self._documents: Counter[str] = Counter()
        self._cost: Counter[str] = Counter()
        self._clusters: list[np.ndarray] = []
        self._last: tuple[int, str, int] = (-1, "", 0)
        self._complete = self._weighed = True
        told = manifest.get("edits")
        self._edits = EditChecks(told) if told else None
        self.copies = 0
        """Rows that repeat a document."""

    def run(self) -> Iterator[tuple[str, str]]:
        """File and problem, shard by shard."""
        for told in self._manifest["files"]:
            yield from check_file(self._store, File(**told))
        for data in data_sets_of(self._manifest):
            self._last = (-1, "", 0)
            for shard in data.shards:
                files = [File(shard.path, shard.bytes, shard.sha256), *shard.beside]
                problems = [found for file in files for found in check_file(self._store, file)]
                if not problems:
                    problems = [(shard.path, what) for what in self._rows(data, shard)]
                self._complete = self._complete and not problems
                yield from problems

    def _rows(self, data: DataSet, shard: Shard) -> Iterator[str]:
        rows = tokens = 0
        found: set[str] = set()
        strata = self._config.get("strata", ())
        try:
            for batch in read_samples(self._store, self._format, shard, strata, rows=_ROWS):
                rows += len(batch)
                tokens += pc.sum(batch.column("n_tokens")).as_py() or 0
                found.update(self._batch(data, batch))
        except _UNREADABLE as error:
            yield f"can't be read: {str(error)[:200]}"
            return
        tokens += rows if self._ends else 0
        if rows != shard.rows:
            yield f"has {rows} rows, the manifest says {shard.rows}"
        if tokens != shard.tokens:
            yield f"has {tokens} tokens, the manifest says {shard.tokens}"
        yield from sorted(found)

    def _batch(self, data: DataSet, batch: pa.RecordBatch) -> Iterator[str]:
        yield from check_content(self._format, batch)
        yield from check_rules(self._manifest, data, batch)
        if not self._in_order(batch):
            yield "its rows are not in the order that the seed gives"
        if self._edits is not None:
            self._edits.add(batch)
        cost = self._costs(batch)
        for key, value in zip(batch.column(STRATUM).to_pylist(), cost, strict=True):
            self._documents[key] += 1
            self._cost[key] += value
        first = pc.equal(batch.column("copy"), 0)
        self.copies += len(batch) - (pc.sum(first).as_py() or 0)
        unique = self._config.get("unique")
        if unique is not None and unique in batch.schema.names:
            clusters = batch.filter(first).column(unique).cast(pa.string())
            self._clusters.append(draws(0, "verify", clusters))

    def _costs(self, batch: pa.RecordBatch) -> list[int]:
        """What each row takes of the budget."""
        if self._config.get("budget_unit") != "bytes":
            ends = int(self._ends)
            return [(n or 0) + ends for n in batch.column("n_tokens").to_pylist()]
        if "n_bytes" in batch.schema.names:
            return [int(n) for n in batch.column("n_bytes").to_pylist()]
        if "text" in batch.schema.names:
            return [int(n) for n in pc.binary_length(batch.column("text")).to_pylist()]
        self._weighed = False
        return [0] * len(batch)

    def _in_order(self, batch: pa.RecordBatch) -> bool:
        """Whether every row comes after the one before it, in this shard or an earlier one."""
        ids, copies = batch.column("id"), batch.column("copy").to_numpy(zero_copy_only=False)
        order = np.zeros(len(batch), np.uint64)
        for copy in np.unique(copies):
            mine = copies == copy
            chosen = ids.filter(pa.array(mine))
            order[mine] = draws(self._manifest["seed"], f"order {copy}", chosen)
        right = True
        for place in zip(order.tolist(), ids.to_pylist(), copies.tolist(), strict=True):
            right = right and place > self._last
            self._last = place
        return right

    def differences(self) -> Iterator[str]:
        """Where the strata and totals differ from what the shards hold; none if any is damaged."""
        if not self._complete:
            return
        for cut in self._manifest["strata"]:
            key, label = cut["stratum"], stratum_label(cut["stratum"])
            documents, cost = self._documents.pop(key, 0), self._cost[key]
            if documents != cut["achieved_documents"]:
                told = cut["achieved_documents"]
                yield f"the shards have {documents} documents of the stratum {label}, not {told}"
            if self._weighed and cost != cut["achieved"] and self._config.get("tokens"):
                yield f"the shards have {cost} of the stratum {label}, not {cut['achieved']}"
        for key in sorted(self._documents):
            yield f"the shards have documents of the stratum {json.loads(key)}, which is not named"
        if self._edits is not None:
            yield from self._edits.differences()
        if self._manifest["totals"]["repeated_documents"] != self.copies:
            yield f"the shards have {self.copies} repeated documents"
        every = np.concatenate(self._clusters) if self._clusters else np.zeros(0, np.uint64)
        if len(np.unique(every)) != len(every):
            yield f"two documents have the same {self._config['unique']}"
