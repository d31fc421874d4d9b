"""The metadata of a mixture, read by mlcroissant."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.export.verify import read_manifest

mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.mark.parametrize("name", ["huggingface", "repeated", "mds", "megatron", "jsonl"])
def test_mlcroissant_validates_and_loads_it(mixtures: Path, name: str) -> None:
    dataset = mlcroissant.Dataset(mixtures / name / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    manifest = read_manifest(str(mixtures / name))
    assert dataset.metadata.name == name
    for split, told in manifest["splits"].items():
        records = list(dataset.records(split))
        assert len(records) == told["documents"] > 0
        shards = {shard["path"]: shard for shard in manifest["shards"]}
        paths = [
            path
            if path.endswith(".parquet")
            else next(f["path"] for f in shards[path]["beside"] if f["path"].endswith("parquet"))
            for path in told["shards"]
        ]
        wanted = [
            id_ for path in paths for id_ in pq.read_table(mixtures / name / path)["id"].to_pylist()
        ]
        found = [record[f"{split}/id"].decode() for record in records]
        assert sorted(found) == sorted(wanted)
        tokens = sum(record[f"{split}/n_tokens"] for record in records)
        ends = len(records) if manifest["format"].get("eod") is not None else 0
        assert tokens + ends == told["tokens"]


def test_it_names_the_manifest_by_its_digest(mixtures: Path) -> None:
    import hashlib

    told = json.loads((mixtures / "jsonl/croissant.json").read_text())
    (manifest,) = (item for item in told["distribution"] if item["@id"] == "manifest")
    content = (mixtures / "jsonl/manifest.json").read_bytes()
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert set(told["license"]) <= {"not stated", "mit", "cc-by-4.0"}
