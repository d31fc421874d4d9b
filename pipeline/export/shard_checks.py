"""What a mixture's shards hold, against what its manifest says of them."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.io.store import Store
from pipeline.select.draws import draws
from pipeline.select.plan import stratum_keys, stratum_label
from pipeline.select.reading import Reading
from schemas.errors import ConfigurationError


class ShardChecks:
    """One pass over all shards, a row group at a time; sums are kept, rows are not."""

    def __init__(self, store: Store, manifest: Mapping[str, Any]) -> None:
        self._store, self._manifest = store, manifest
        self._config: Mapping[str, Any] = manifest["config"]
        self._documents: Counter[str] = Counter()
        self._cost: Counter[str] = Counter()
        self._clusters: list[np.ndarray] = []
        self._last: tuple[int, str, int] = (-1, "", 0)
        self._complete = True
        self.copies = 0
        """Rows that repeat a document."""

    def run(self) -> Iterator[tuple[str, str]]:
        """File and problem, shard by shard."""
        for shard in self._manifest["shards"]:
            problems = list(self._file(shard))
            if not problems:
                problems = list(self._rows(shard))
            self._complete = self._complete and not problems
            yield from ((shard["path"], problem) for problem in problems)

    def _file(self, shard: Mapping[str, Any]) -> Iterator[str]:
        path = str(shard["path"])
        if not self._store.exists(path):
            yield "is missing"
            return
        digest = hashlib.sha256()
        size = 0
        with self._store.open(path) as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
                size += len(chunk)
        if size != shard["bytes"]:
            yield f"has {size} bytes, the manifest says {shard['bytes']}"
        elif digest.hexdigest() != shard["sha256"]:
            yield "its content has changed: the SHA-256 differs"

    def _rows(self, shard: Mapping[str, Any]) -> Iterator[str]:
        rows = tokens = 0
        found: set[str] = set()
        try:
            with self._store.open(shard["path"]) as file:
                reader = pq.ParquetFile(file)
                for batch in reader.iter_batches(use_threads=False):
                    rows += len(batch)
                    tokens += pc.sum(batch.column("n_tokens")).as_py() or 0
                    found.update(self._batch(batch))
        except (pa.ArrowException, OSError, KeyError, ConfigurationError) as error:
            yield f"can't be read: {str(error)[:200]}"
            return
        if rows != shard["rows"]:
            yield f"has {rows} rows, the manifest says {shard['rows']}"
        if tokens != shard["tokens"]:
            yield f"has {tokens} tokens, the manifest says {shard['tokens']}"
        yield from sorted(found)

    def _batch(self, batch: pa.RecordBatch) -> Iterator[str]:
        sizes = pc.binary_length(batch.column("text")).cast(pa.int64())
        if not pc.all(pc.equal(sizes, batch.column("n_bytes"))).as_py():
            yield "n_bytes is not the length of every text"
        if not self._in_order(batch):
            yield "its rows are not in the order that the seed gives"
        where = self._config.get("where")
        if where is not None and not self._reading(batch.schema).passes_where(batch).all():
            yield f"holds documents that are not kept by where: {where}"
        keys = stratum_keys(batch, self._config.get("strata", ()))
        cost = "n_bytes" if self._config.get("budget_unit") == "bytes" else "n_tokens"
        for key, value in zip(keys.to_pylist(), batch.column(cost).to_pylist(), strict=True):
            self._documents[key] += 1
            self._cost[key] += value or 0
        first = pc.equal(batch.column("copy"), 0)
        self.copies += len(batch) - (pc.sum(first).as_py() or 0)
        unique = self._config.get("unique")
        if unique is not None:
            clusters = batch.filter(first).column(unique).cast(pa.string())
            self._clusters.append(draws(0, "verify", clusters))

    def _reading(self, schema: pa.Schema) -> Reading:
        """The rules of the manifest, over the columns of a shard."""
        return Reading(
            catalogue={field.name: field for field in schema},
            seed=self._manifest["seed"],
            where=self._config["where"],
            strata=tuple(self._config.get("strata", ())),
            fitted=self._manifest["selection"].get("fitted", {}),
        )

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
            if self._config.get("tokens") is not None and cost != cut["achieved"]:
                yield f"the shards have {cost} of the stratum {label}, not {cut['achieved']}"
        for key in sorted(self._documents):
            yield f"the shards have documents of the stratum {json.loads(key)}, which is not named"
        if self._manifest["totals"]["repeated_documents"] != self.copies:
            yield f"the shards have {self.copies} repeated documents"
        every = np.concatenate(self._clusters) if self._clusters else np.zeros(0, np.uint64)
        if len(np.unique(every)) != len(every):
            yield f"two documents have the same {self._config['unique']}"
