"""One selection, by Winnow, by DuckDB's SQL or in numpy, in a process of its own."""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.selection import BUDGET_SHARE, SCHEMA
from pipeline.export.mixture_plan import MixturePlan
from pipeline.io.beside import Address
from pipeline.io.store import open_store
from pipeline.io.workspace import Workspace
from pipeline.select.fitted_samplers import Gumbel
from pipeline.select.plan import Selection
from pipeline.spark.selecting import Selecting
from pipeline.spark.session import open_session
from pipeline.spark.tasks import Silent

WHERE = "score > 1.5 and n_tokens >= 50"
SQL = """
    with eligible as (
        select source, domain, n_tokens, score / $temperature
            - ln(-ln(((hash(id) >> 12)::double + 0.5) / 4503599627370496.0)) as key
        from read_parquet($files) where score > 1.5 and n_tokens >= 50
    ), strata as (
        select source, domain, sum(n_tokens) as held from eligible group by all
    ), quotas as (
        select source, domain, $tokens * held / sum(held) over () as quota from strata
    ), running as (
        select *, sum(n_tokens) over (partition by source, domain order by key desc
            rows unbounded preceding) as taken from eligible
    )
    select count(*) from running join quotas using (source, domain) where taken <= quota
"""
Select = Callable[[float], int]
"""The documents that are selected at a temperature."""


def winnow(folder: Path, tokens: int) -> Select:
    """As `winnow select --dry-run` plans it, Spark's start aside."""
    spark = open_session("selection")
    workspace = Workspace(open_store(str(folder)))
    addresses = {field.name: Address(None, field.name) for field in SCHEMA}

    def select(temperature: float) -> int:
        selection = Selection(
            catalogue={field.name: field for field in SCHEMA},
            sampler=Gumbel(temperature=temperature),
            seed=7,
            where=WHERE,
            score="score",
            strata=("source", "domain"),
            budget=tokens,
            tokens_column="n_tokens",
        )
        plan = MixturePlan("main", {}, 7, selection, addresses, {}, "n_tokens", None, ())
        with Selecting(spark, workspace, plan, Silent()) as selecting:
            outcome = selecting.plan()
        return sum(cut.achieved_documents for cut in outcome.plan.strata)

    return select


def duckdb(folder: Path, tokens: int) -> Select:
    """A window over each stratum, the key from a hash of the id."""
    connection = import_module("duckdb").connect()
    connection.execute("set threads = 2")
    connection.execute(f"set temp_directory = '{folder}/duckdb'")

    files = f"{folder}/documents/*.parquet"

    def select(temperature: float) -> int:
        given = {"files": files, "temperature": temperature, "tokens": tokens}
        found = connection.execute(SQL, given).fetchone()
        return int(found[0])

    return select


def numpy(folder: Path, tokens: int) -> Select:
    """Everything in memory, sorted, cut: as DataMan's script does it."""
    names = ["id", "score", "n_tokens", "source", "domain"]
    files = sorted(folder.glob("documents/*.parquet"))

    def select(temperature: float) -> int:
        table = pq.read_table(files, columns=names)
        score, cost = table["score"].to_numpy(), table["n_tokens"].to_numpy()
        kept = np.flatnonzero((score > 1.5) & (cost >= 50))
        score, cost = score[kept], cost[kept]
        codes = np.zeros(len(kept), np.int64)
        for name in ("source", "domain"):
            encoded = table[name].to_pandas().astype("category").cat.codes.to_numpy()
            codes = codes * 100 + encoded[kept]
        noise = np.random.default_rng(7).gumbel(size=len(kept))
        order = np.lexsort((-(score / temperature + noise), codes))
        codes, cost = codes[order], cost[order]
        total, chosen = cost.sum(), 0
        for code in np.unique(codes):
            mine = cost[np.searchsorted(codes, code) : np.searchsorted(codes, code, "right")]
            chosen += int((mine.cumsum() <= tokens * mine.sum() // total).sum())
        return chosen

    return select


def main() -> None:
    """Select twice, at two temperatures, and tell the seconds as JSON."""
    how, folder = sys.argv[1], Path(sys.argv[2])
    files = sorted(folder.glob("documents/*.parquet"))
    held = sum(
        int(pq.read_table(f, columns=["n_tokens"])["n_tokens"].to_numpy().sum()) for f in files
    )
    engines = {"winnow": winnow, "duckdb": duckdb, "numpy": numpy}
    select = engines[how](folder, int(held * BUDGET_SHARE))
    seconds = []
    for temperature in (0.5, 2.0):
        began = time.monotonic()
        documents = select(temperature)
        seconds.append(round(time.monotonic() - began, 1))
    print(json.dumps({"seconds": seconds[0], "again": seconds[1], "documents": documents}))


if __name__ == "__main__":
    main()
