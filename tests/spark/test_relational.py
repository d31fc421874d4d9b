"""Relational stages on Spark against brute force, for any cut of the corpus into parts."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.relations import Columns, Document, cuts, measure_relation

from pipeline.stages.columns_from import ColumnsFrom
from pipeline.stages.exact_dedup import ExactDedup
from schemas.errors import WinnowError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def corpus(seed: int, count: int) -> list[Document]:
    """Few texts, so that most have copies; some without a URL, some URLs twice."""
    chance = random.Random(seed)
    texts = ["", "a", "A", "a ", "á", "a\u0301", "a\n", "longer text", "漢字"]
    return [
        {
            "id": f"{chance.getrandbits(128):032x}",
            "text": chance.choice(texts) + chance.choice(["", "", "x", str(i)]),
            "url": chance.choice([None, f"http://a/{i % 7}", f"http://b/{i}"]),
            "source_id": str(i),
        }
        for i in range(count)
    ]


def expected_duplicates(documents: Sequence[Document], admitted: Mapping[object, bool]) -> Columns:
    found: Columns = {}
    for document in documents:
        copies = [
            str(other["id"])
            for other in documents
            if other["text"] == document["text"] and admitted[other["id"]]
        ]
        name = str(document["id"])
        if admitted[name]:
            found[name] = (min(copies) if min(copies) != name else None, min(copies))
        else:
            found[name] = (None, None)
    return found


@pytest.mark.parametrize(("seed", "where"), [(1, None), (2, "n_chars > 1"), (3, "url is not null")])
def test_exact_dedup_is_brute_forces_for_any_cut(
    spark: "SparkSession", tmp_path: Path, seed: int, where: str | None
) -> None:
    documents = corpus(seed, 40)
    admitted = {
        document["id"]: {
            None: True,
            "n_chars > 1": len(str(document["text"])) > 1,
            "url is not null": document["url"] is not None,
        }[where]
        for document in documents
    }
    expected = expected_duplicates(documents, admitted)
    assert any(kept for kept, _ in expected.values())
    for number, parts in enumerate(cuts(documents, random.Random(seed))):
        assert (
            measure_relation(spark, tmp_path / str(number), parts, ExactDedup(), where=where)
            == expected
        )


@pytest.mark.parametrize(("key", "where"), [("id", None), ("url", "n_chars > 1")])
def test_columns_from_is_a_join_by_the_key_for_any_cut(
    spark: "SparkSession", tmp_path: Path, key: str, where: str | None
) -> None:
    documents = corpus(5, 40)
    keys = sorted({str(document[key]) for document in documents if document[key] is not None})
    table = {name: (i / 8, f"label {i}", [i, i]) for i, name in enumerate(keys) if i % 3}
    rows = [{key: n, "score": s, "label": t, "more": m} for n, (s, t, m) in table.items()]
    rows += [{key: "not there", "score": 1.0, "label": "x", "more": [1]}]
    rows += [{key: None, "score": 2.0, "label": "y", "more": [2]}] * 2
    folder = tmp_path / "table"
    folder.mkdir()
    for number in range(3):
        pq.write_table(pa.Table.from_pylist(rows[number::3]), folder / f"{number}.parquet")
    stage = ColumnsFrom(path=str(folder), key=key, columns=["label", "score", "more"])  # type: ignore[arg-type]
    none = (None, None, None)
    expected: Columns = {}
    for document in documents:
        score = table.get(str(document[key]))
        if score is None or (where and len(str(document["text"])) <= 1):
            expected[str(document["id"])] = none
        else:
            expected[str(document["id"])] = (score[1], score[0], score[2])
    assert len(set(map(str, expected.values()))) > 5
    for number, parts in enumerate(cuts(documents, random.Random(7))):
        assert (
            measure_relation(spark, tmp_path / str(number), parts, stage, where=where) == expected
        )


def test_a_csv_keyed_by_the_records_own_numbers(spark: "SparkSession", tmp_path: Path) -> None:
    documents = corpus(6, 10)
    path = tmp_path / "scores.csv"
    path.write_text("source_id,score\n" + "".join(f"{i},{i / 2}\n" for i in range(0, 10, 2)))
    stage = ColumnsFrom(path=str(path), key="source_id", columns=["score"])
    found = measure_relation(spark, tmp_path / "work", [documents], stage)
    assert found == {str(d["id"]): (None if i % 2 else i / 2,) for i, d in enumerate(documents)}


def test_a_key_that_stands_twice_in_the_table_is_an_error(
    spark: "SparkSession", tmp_path: Path
) -> None:
    documents = corpus(6, 10)
    path = tmp_path / "scores.jsonl"
    path.write_text('{"source_id": "3", "score": 1}\n' * 2 + '{"source_id": "4", "score": 1}\n')
    stage = ColumnsFrom(path=str(path), key="source_id", columns=["score"])
    with pytest.raises(WinnowError, match="has 2 rows for source_id '3'; leave one"):
        measure_relation(spark, tmp_path / "work", [documents], stage)
