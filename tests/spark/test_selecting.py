"""A plan on Spark is the plan of one process, whatever the parts, with copies and clusters."""

import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.export.mixture_plan import MixturePlan
from pipeline.io.beside import Address
from pipeline.io.parts import PartWriter
from pipeline.io.store import open_store
from pipeline.io.workspace import DocumentsPart, Workspace
from pipeline.select.fitted_samplers import Gumbel, UpsamplingCurve
from pipeline.select.passes import InProcess, make_plan
from pipeline.select.plan import Selection
from pipeline.select.samplers import Sampler, TopK
from pipeline.spark.selecting import Selecting
from pipeline.spark.tasks import Silent
from schemas.tables import DOCUMENTS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLUMNS = {"score": pa.float64(), "n_tokens": pa.int64(), "cluster": pa.string()}
SCHEMA = pa.schema([*DOCUMENTS, *(pa.field(name, kind) for name, kind in COLUMNS.items())])


def records(count: int) -> list[dict[str, object]]:
    chance = random.Random(3)
    return [
        {
            "id": f"{chance.getrandbits(128):032x}",
            "text": f"text {i}",
            "source": chance.choice("ab"),
            "source_path": "p",
            "source_offset": i,
            "n_bytes": len(f"text {i}"),
            "n_chars": 6,
            "score": float(chance.randint(1, 40)),
            "n_tokens": chance.randint(1, 30),
            "cluster": f"{chance.randint(0, count // 3):032x}",
        }
        for i in range(count)
    ]


def workspace_of(folder: Path, pieces: list[list[dict[str, object]]]) -> Workspace:
    """Parts of two row groups each."""
    workspace = Workspace(open_store(str(folder)))
    workspace.create()
    parts = []
    for number, piece in enumerate(pieces):
        name = f"000000-000000-{number:06d}"
        with PartWriter(workspace.store, f"documents/{name}.parquet", SCHEMA) as writer:
            for rows in (piece[: len(piece) // 2], piece[len(piece) // 2 :]):
                batch = pa.RecordBatch.from_pylist(rows, SCHEMA)
                writer.write(batch, batch.column("id"))
            footer, _ = writer.commit({}, "ingest.part")
        parts.append(DocumentsPart(name, "s", footer.rows, 1, footer.ids, footer.digest))
    workspace.commit_generation(0, parts, {"inputs": []})
    return workspace


@pytest.mark.parametrize(
    ("sampler", "unique"),
    [
        (UpsamplingCurve(max_copies=3), "cluster"),
        (Gumbel(temperature=2.0, normalise=True), None),
        (TopK(), "cluster"),
    ],
)
def test_parts_and_passes_do_not_matter(
    sampler: Sampler, unique: str | None, tmp_path: Path, spark: "SparkSession"
) -> None:
    rows = records(240)
    selection = Selection(
        catalogue={field.name: field for field in SCHEMA},
        sampler=sampler,
        seed=7,
        where="rank(score) > 0.1",
        score="score",
        unique=unique,
        strata=("source",),
        budget=900,
        tokens_column="n_tokens",
    )
    whole = pa.RecordBatch.from_pylist(rows, SCHEMA)
    expected = make_plan(selection, InProcess(lambda: [whole]))
    passes = InProcess(lambda: [whole])
    if unique:
        passes.drop_copies(expected.selection)
    wanted: Counter[str] = Counter()
    for batch, dropped in passes.batches():
        kept = expected.selection.prepare(batch)[0].without(dropped)
        copies = expected.selection.keep(kept, expected.plan).tolist()
        wanted.update(dict(zip(kept.ids.to_pylist(), copies, strict=True)))
    addresses = {field.name: Address(None, field.name) for field in SCHEMA}
    for cut in (240, 50):
        pieces = [rows[i : i + cut] for i in range(0, len(rows), cut)]
        workspace = workspace_of(tmp_path / str(cut), pieces[::-1])
        plan = MixturePlan(
            "main", {}, 7, selection, addresses, {"text": pa.string()}, "n_tokens", None, ()
        )
        with Selecting(spark, workspace, plan, Silent()) as selecting:
            outcome = selecting.plan()
            assert (outcome.plan, outcome.funnel) == (expected.plan, expected.funnel)
            margins = selecting.margins(outcome)
            for near in [*margins.taken.values(), *margins.left.values()]:
                text = selecting.text(*near[0][3:])
                assert next(row["id"] for row in rows if row["text"] == text) == near[0][2]
            (data_set,) = selecting.write(outcome).data_sets
        folder = tmp_path / str(cut) / "mixtures/main"
        found = pa.concat_tables([pq.read_table(folder / shard.path) for shard in data_set.shards])
        assert Counter(found["id"].to_pylist()) == +wanted
        assert sum(found["n_tokens"].to_pylist()) == sum(c.achieved for c in outcome.plan.strata)
