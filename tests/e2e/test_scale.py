"""Memory does not follow the size of a part or a line, nor the number of tasks that of the parts.

`python -m benchmarks` measures the same at full size.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import run_json, stage_figures

from benchmarks.corpus import endless_rows, endless_texts, write_documents, write_line
from benchmarks.parts import configuration as tiny_configuration
from benchmarks.runs import Run, run
from benchmarks.size import configuration, one_part
from pipeline.io.beside import InForce, Place
from pipeline.io.workspace import DocumentsPart
from pipeline.spark.frames import Batches, by_place, gathered, told
from pipeline.spark.tasks import Silent, run_tasks

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MB = 1_000_000


def in_one_part(folder: Path, size: int) -> Run:
    """A run over documents of so many bytes in one part, all of which go into a mixture."""
    folder.mkdir()
    write_documents(folder / "a.jsonl", endless_texts(), size)
    done = run(folder, one_part(folder, size))
    assert done.figures["ingest"]["parts_made"] == 1
    assert done.figures["mixtures"][0]["manifest"]["totals"]["documents"] > 0.9 * done.documents
    return done


def test_memory_does_not_follow_the_size_of_a_part(tmp_path: Path) -> None:
    # Row groups and batches, of 8 and 16 MB, are filled in both.
    small = in_one_part(tmp_path / "small", 40 * MB)
    large = in_one_part(tmp_path / "large", 120 * MB)
    # A part held whole would take the 80 MB more, at the least once.
    assert large.peaks.bytes["worker"] < small.peaks.bytes["worker"] + 45 * MB


def with_a_line(folder: Path, size: int) -> Run:
    """A run over two documents, of which one has so many bytes."""
    folder.mkdir()
    write_line(folder / "a.jsonl", size)
    return run(folder, configuration(folder, max_document_bytes=MB, max_rejects=1.0))


def test_a_line_that_is_too_long_is_never_held(tmp_path: Path) -> None:
    short = with_a_line(tmp_path / "short", 0)
    long = with_a_line(tmp_path / "long", 160 * MB)
    assert (short.rejects, long.rejects) == ({}, {"too_large": 1})
    assert short.documents == long.documents == 1
    # Held whole, the line would take 160 MB beside what Python and Arrow take.
    assert long.peaks.bytes["worker"] < short.peaks.bytes["worker"] + 40 * MB


def test_hundreds_of_tiny_parts(tmp_path: Path) -> None:
    documents = write_documents(tmp_path / "a.jsonl", endless_rows(), 120_000)
    path = tmp_path / "winnow.yaml"
    path.write_text(json.dumps(tiny_configuration(tmp_path)))
    first = run_json(str(path))
    parts = first["ingest"]["parts_made"]
    assert parts > 150
    for name in ("language", "tokens", "exact_dedup"):
        figures = stage_figures(first, name)
        assert figures["documents"] == figures["computed"] == documents, name
        assert figures["parts_made"] == parts, name
    assert first["mixtures"][0]["manifest"]["funnel"][0]["documents"] == documents
    again = run_json(str(path))
    assert [stage["parts_made"] for stage in again["stages"]] == [0, 0, 0]
    assert again["spark_seconds"] == 0


def test_tasks_take_many_tiny_parts(spark: "SparkSession") -> None:
    count = 5_000
    found = run_tasks(spark, "tiny", str, range(count), [1] * count, Silent())
    assert found == [str(number) for number in range(count)]
    tracker = spark.sparkContext.statusTracker()
    (job,) = tracker.getJobIdsForGroup("tiny")
    info = tracker.getJobInfo(job)
    assert info is not None
    stages = [tracker.getStageInfo(stage) for stage in info.stageIds]
    assert 2 <= sum(stage.numTasks for stage in stages if stage) <= 2 * 16 + 1


@pytest.mark.parametrize("count", [1, 40])
def test_each_part_reaches_one_task_with_its_rows(spark: "SparkSession", count: int) -> None:
    column = {"a": InForce("f", "k", "d")}
    places = [
        Place(number, DocumentsPart(f"p{number}", "s", 3, 9, "i", "d"), column)
        for number in range(count)
    ]
    rows = spark.range(0, count * 3).selectExpr(f"id % {count} part", "id row")
    rows = rows.where("part % 2 = 0")

    def tell(batches: Batches) -> Iterator[str]:
        for place, table in by_place(batches):
            assert set(table.column("part").to_pylist()) <= {place.number}
            yield json.dumps([place.told(), table.column("row").to_pylist()])

    found = dict(json.loads(text) for text in told(gathered(spark, places, rows), "read", tell))
    assert found == {
        place.told(): [row for row in range(count * 3) if row % count == place.number]
        if place.number % 2 == 0
        else []
        for place in places
    }
