"""The folder as `datasets.load_dataset` loads it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.export.verify import read_manifest

datasets = pytest.importorskip("datasets", reason="datasets is not installed")


def test_datasets_loads_the_splits_in_order(mixtures: Path, tmp_path: Path) -> None:
    folder = mixtures / "huggingface"
    found = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))
    splits = read_manifest(str(folder))["splits"]
    assert found.keys() == splits.keys() == {"train", "validation"}
    for name, told in splits.items():
        wanted = pa.concat_tables(pq.read_table(folder / path) for path in told["shards"])
        assert found[name].num_rows == told["documents"] > 0
        assert sum(found[name]["n_tokens"]) == told["tokens"]
        assert list(found[name]["text"]) == wanted["text"].to_pylist()
        assert list(found[name]["id"]) == wanted["id"].to_pylist()
