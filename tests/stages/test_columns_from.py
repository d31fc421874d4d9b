"""Tables of others' scores: what is read from which format, and what is refused before any work."""

import bz2
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.stages.columns_from import ColumnsFrom, table_batches, table_files
from pipeline.stages.fingerprint import fingerprint

ROWS = [{"id": f"{i:030d}e7", "score": i / 4, "label": "äb"[i % 2]} for i in range(5)]


def write(folder: Path, name: str) -> str:
    path = folder / name
    folder.mkdir(exist_ok=True)
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=2)
    else:
        text = "".join(json.dumps(row) + "\n" for row in ROWS)
        if ".csv" in name:
            text = "id,score,label\n" + "".join(
                f"{row['id']},{row['score']},{row['label']}\n" for row in ROWS
            )
        content = text.encode()
        if path.suffix == ".gz":
            content = gzip.compress(content)
        elif path.suffix == ".bz2":
            content = bz2.compress(content)
        path.write_bytes(content)
    return str(path)


def stage(path: str, *columns: str) -> ColumnsFrom:
    return ColumnsFrom(path=path, key="id", columns=list(columns or ("score", "label")))


@pytest.mark.parametrize(
    "name", ["t.parquet", "t.jsonl", "t.json", "t.csv", "t.jsonl.gz", "t.csv.gz", "t.csv.bz2"]
)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name)
    found = stage(path)
    found.check()
    assert found.schema() == pa.schema([("score", pa.float64()), ("label", pa.string())])
    rows = [row for batch in table_batches(path, "id") for row in batch.to_pylist()]
    assert [{k: row[k] for k in ("id", "score", "label")} for row in rows] == ROWS


def test_a_key_that_looks_like_a_date_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": "2024-05-01", "score": 1}\n{"id": "x", "score": 2}\n' * 2)
    keys = [key for b in table_batches(str(path), "id") for key in b.column("id").to_pylist()]
    assert keys == ["2024-05-01", "x"] * 2
    path.write_text('{"id": "2024-05-01", "score": 1}\n')
    assert next(table_batches(str(path), "id")).column("id").to_pylist() == ["2024-05-01"]
    path.write_text('{"id": 17, "score": 1}\n')
    assert next(table_batches(str(path), "id")).column("id").to_pylist() == [17]


def test_a_directory_and_a_glob_are_tables_of_several_files(tmp_path: Path) -> None:
    paths = [write(tmp_path / "d", name) for name in ("b.parquet", "a.parquet")]
    assert table_files(str(tmp_path / "d")) == sorted(paths)
    assert table_files(str(tmp_path / "d" / "*.parquet")) == sorted(paths)
    assert table_files(paths[0]) == [paths[0]]
    stage(str(tmp_path / "d")).check()
    stage(str(tmp_path / "d" / "?.parquet")).check()


def test_types_are_the_columns_own(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array(["a"], pa.large_string()),
            "small": pa.array([1], pa.uint8()),
            "half": pa.array([0.5], pa.float32()),
            "name": pa.array(["x"]).dictionary_encode(),
            "large": pa.array(["x"], pa.large_string()),
            "yes": pa.array([True]),
            "tags": pa.array([["a"]], pa.list_(pa.string())),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    names = ("small", "half", "name", "large", "yes", "tags")
    found = stage(str(tmp_path / "t.parquet"), *names).schema()
    kinds = [pa.int64(), pa.float64(), pa.string(), pa.string(), pa.bool_(), pa.list_(pa.string())]
    assert found == pa.schema(list(zip(names, kinds, strict=True)))


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.jsonl"])
def test_a_missing_key_or_column_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name)
    with pytest.raises(ValueError, match="has no column nope; it has id, score, label"):
        stage(path, "nope").check()
    with pytest.raises(ValueError, match="has no column url"):
        ColumnsFrom(path=path, key="url", columns=["score"]).check()
    with pytest.raises(ValueError, match="name at least one column"):
        ColumnsFrom(path=path, key="id", columns=[]).check()


@pytest.mark.parametrize(
    "name", ["gone.parquet", "bad.parquet", "bad.jsonl", "empty.csv", "empty.jsonl"]
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str) -> None:
    if not name.startswith("gone"):
        (tmp_path / name).write_bytes(b"" if name.startswith("empty") else b"\0no {table")
    with pytest.raises(ValueError, match=f"{name} can't be read as a table"):
        stage(str(tmp_path / name)).check()


def test_an_empty_table_has_columns_and_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS).slice(0, 0), path)
    stage(str(path)).check()
    assert [len(batch) for batch in table_batches(str(path), "id")] == [0]


def test_an_empty_directory_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't be read as a table"):
        stage(str(tmp_path)).check()


def test_a_table_counts_by_its_content(tmp_path: Path) -> None:
    one = stage(write(tmp_path / "one", "t.parquet"))
    two = stage(write(tmp_path / "two", "t.parquet"))
    assert fingerprint(one) == fingerprint(two)
    assert fingerprint(one) != fingerprint(stage(one.path, "score"))
    by_url = ColumnsFrom(path=one.path, key="url", columns=one.columns)
    assert fingerprint(one) != fingerprint(by_url)
    assert hash(one) == hash(stage(one.path))
    pattern = stage(str(tmp_path / "one" / "*.parquet"))
    before = fingerprint(pattern)
    pq.write_table(pa.Table.from_pylist(ROWS[:2]), tmp_path / "one" / "t.parquet")
    assert fingerprint(pattern) != before
