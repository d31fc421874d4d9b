"""One selection, by Winnow, by DuckDB's SQL or in numpy, in a process of its own."""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.rows import SCHEMA
from pipeline.export.mixture_plan import MixturePlan
from pipeline.io.beside import Address
from pipeline.io.store import open_store
from pipeline.io.workspace import Workspace
from pipeline.select.fitted_samplers import Gumbel
from pipeline.select.plan import Selection
from pipeline.select.samplers import TopK
from pipeline.spark.selecting import Selecting
from pipeline.spark.session import open_session
from pipeline.spark.tasks import Silent

WHERE = "score > 1.5 and n_tokens >= 50 and domain not in ('N', 'O')"
TEMPERATURES = (0.5, 2.0)
DUCKDB_MEMORY = "4GB"
GUMBEL = """score / $temperature
    - ln(-ln(((hash(id) >> 12)::double + 0.5) / 4503599627370496.0)), id"""
TOP_K = "score, hash(id)"
BEST = """
    qualify row_number() over (
        partition by cluster_id order by score desc, n_bytes desc, id) = 1
"""
SQL = """
    with eligible as (
        select source, domain, n_tokens, row(KEY) as key from read_parquet($files)
        where WHERE UNIQUE
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


def winnow(case: str, folder: Path, tokens: int) -> Select:
    """As `winnow select --dry-run` plans it, Spark's start aside."""
    spark = open_session("selection")
    workspace = Workspace(open_store(str(folder)))
    addresses = {field.name: Address(None, field.name) for field in SCHEMA}

    def select(temperature: float) -> int:
        selection = Selection(
            catalogue={field.name: field for field in SCHEMA},
            sampler=Gumbel(temperature=temperature) if case == "gumbel" else TopK(),
            seed=7,
            where=WHERE,
            score="score",
            unique="cluster_id" if case == "unique" else None,
            strata=("source", "domain"),
            budget=tokens,
            tokens_column="n_tokens",
        )
        plan = MixturePlan("main", {}, 7, selection, addresses, {}, "n_tokens", None, ())
        with Selecting(spark, workspace, plan, Silent()) as selecting:
            outcome = selecting.plan()
        return sum(cut.achieved_documents for cut in outcome.plan.strata)

    return select


def duckdb(case: str, folder: Path, tokens: int) -> Select:
    """A window over each stratum, the key from a hash of the id; it spills what memory lacks."""
    connection = import_module("duckdb").connect()
    connection.execute("set threads = 2")
    connection.execute(f"set memory_limit = '{DUCKDB_MEMORY}'")
    connection.execute("set preserve_insertion_order = false")
    connection.execute(f"set temp_directory = '{folder}/duckdb'")
    sql = SQL.replace("KEY", GUMBEL if case == "gumbel" else TOP_K).replace("WHERE", WHERE)
    sql = sql.replace("UNIQUE", BEST if case == "unique" else "")

    def select(temperature: float) -> int:
        given: dict[str, object] = {"files": f"{folder}/documents/*.parquet", "tokens": tokens}
        if case == "gumbel":
            given["temperature"] = temperature
        return int(connection.execute(sql, given).fetchone()[0])

    return select


def numpy(case: str, folder: Path, tokens: int) -> Select:
    """Everything but the ids in memory, sorted, cut: as DataMan's script does it."""
    names = ["score", "n_tokens", "source", "domain"]
    files = sorted(folder.glob("documents/*.parquet"))

    def select(temperature: float) -> int:
        table = pq.read_table(files, columns=names, read_dictionary=["source", "domain"])
        table = table.filter(
            (pc.field("score") > 1.5)
            & (pc.field("n_tokens") >= 50)
            & ~pc.field("domain").isin(["N", "O"])
        )
        codes = _codes(table["source"]) * 100 + _codes(table["domain"])
        score, cost = table["score"].to_numpy(), table["n_tokens"].to_numpy()
        noise = np.random.default_rng(7).gumbel(size=len(score))
        order = np.lexsort((-(score / temperature + noise), codes))
        codes, cost = codes[order], cost[order]
        total, chosen = cost.sum(), 0
        for code in np.unique(codes):
            mine = cost[np.searchsorted(codes, code) : np.searchsorted(codes, code, "right")]
            chosen += int((mine.cumsum() <= tokens * int(mine.sum()) // int(total)).sum())
        return chosen

    return select


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.unify_dictionaries().combine_chunks().indices, np.int64)


def main() -> None:
    """Select, of `gumbel` again at another temperature; tell when each began and ended as JSON."""
    case, how, folder, tokens = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    engines = {"winnow": winnow, "duckdb": duckdb, "numpy": numpy}
    select = engines[how](case, folder, tokens)
    spans = []
    for temperature in TEMPERATURES if case == "gumbel" else TEMPERATURES[:1]:
        began = time.monotonic()
        documents = select(temperature)
        spans.append([began, time.monotonic()])
    # The last sample of the processor time is taken while they are all still there.
    time.sleep(0.3)
    print(json.dumps({"spans": spans, "documents": documents}))


if __name__ == "__main__":
    main()
