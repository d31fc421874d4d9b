"""Whatever is changed in a mixture, verification finds it."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from support import here, make_corpus

from pipeline.export.manifest import load_manifest, mixture_digest, write_manifest
from pipeline.export.verify import read_manifest, verify
from pipeline.io.store import open_store
from schemas.errors import ConfigurationError, WinnowError

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, spark: object) -> Path:
    """A workspace with a mixture."""
    configuration = make_corpus(tmp_path_factory.mktemp("verify"))
    here("run", str(configuration))
    return configuration.parent / "work"


@pytest.fixture
def mixture(made: Path, tmp_path: Path) -> Path:
    """A copy of the mixture, to be damaged."""
    return Path(shutil.copytree(made / "mixtures/main", tmp_path / "main"))


def told(mixture: Path) -> list[str]:
    return [str(problem) for problem in verify(str(mixture))]


def change(mixture: Path, edit: Callable[[Manifest], object]) -> None:
    """Edit the manifest and sign it anew, as a careful forger would."""
    manifest = read_manifest(str(mixture))
    edit(manifest)
    manifest["mixture_digest"] = mixture_digest(manifest["shards"], manifest["selection"])
    (mixture / "manifest.json").write_text(json.dumps(manifest))


def rewrite(mixture: Path, edit: Callable[[pa.Table], pa.Table]) -> None:
    """Edit a shard, and have the manifest name the new content."""
    shard = next(mixture.glob("shard-*"))
    table = edit(pq.read_table(shard))
    pq.write_table(table, shard)
    content = shard.read_bytes()

    def resign(manifest: Manifest) -> None:
        tokens = pc.sum(table["n_tokens"]).as_py()
        manifest["shards"][0] |= {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "rows": len(table),
            "tokens": tokens,
        }
        manifest["totals"] |= {"bytes": len(content), "documents": len(table), "tokens": tokens}

    change(mixture, resign)


def replaced(table: pa.Table, name: str, values: list[object]) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(name), pa.array(values, table[name].type))


def test_a_mixture_verifies(made: Path, mixture: Path) -> None:
    assert told(mixture) == []
    assert verify(str(mixture), str(made)) == []


SHARDS: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "a row is gone": (lambda t: t.slice(1), "documents of the stratum"),
    "a row is there twice": (lambda t: pa.concat_tables([t, t.slice(0, 1)]), "not in the order"),
    "two rows have changed places": (
        lambda t: t.take([1, 0, *range(2, len(t))]),
        "not in the order that the seed gives",
    ),
    "a text is cut": (
        lambda t: replaced(t, "text", [t["text"][0].as_py()[:-1], *t["text"].to_pylist()[1:]]),
        "n_bytes is not the length",
    ),
    "a row breaks the rule": (
        lambda t: replaced(t, "n_words", [3, *t["n_words"].to_pylist()[1:]]),
        "not kept by where: n_words >= 10",
    ),
    "a row is of another source": (
        lambda t: replaced(t, "source", ["three", *t["source"].to_pylist()[1:]]),
        "the stratum ['three'], which is not named",
    ),
    "two rows are of one cluster": (
        lambda t: replaced(t, "exact_cluster_id", ["x", "x", *t["id"].to_pylist()[2:]]),
        "two documents have the same exact_cluster_id",
    ),
    "tokens are others": (
        lambda t: replaced(t, "n_tokens", [1, *t["n_tokens"].to_pylist()[1:]]),
        "of the stratum",
    ),
    "a copy is claimed": (
        lambda t: replaced(t, "copy", [*t["copy"].to_pylist()[:-1], 1]),
        "not in the order",
    ),
    "a column is gone": (lambda t: t.drop_columns("n_bytes"), "lacks the column n_bytes"),
}


@pytest.mark.parametrize("damage", SHARDS)
def test_a_changed_shard_is_found(mixture: Path, damage: str) -> None:
    edit, problem = SHARDS[damage]
    rewrite(mixture, edit)
    assert any(problem in line for line in told(mixture)), told(mixture)


def _more(manifest: Manifest, *keys: "str | int") -> None:
    place: Any = manifest
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] += 1


MANIFESTS: dict[str, tuple[Callable[[Manifest], object], str]] = {
    "tokens": (lambda m: _more(m, "totals", "tokens"), "totals.tokens is"),
    "documents": (lambda m: _more(m, "totals", "documents"), "totals.documents is"),
    "repeated": (lambda m: _more(m, "totals", "repeated_documents"), "0 repeated documents"),
    "records": (lambda m: _more(m, "inputs", 0, "records"), "the records of one do not balance"),
    "stage": (lambda m: _more(m, "funnel", 2, "skipped"), "do not balance"),
    "rule": (lambda m: _more(m, "funnel", -1, "documents"), "the funnel leaves"),
    "stratum": (lambda m: m["strata"].pop(), "strata and selection differ"),
    "missing key": (lambda m: m.pop("funnel"), "funnel is missing"),
    "unknown key": (lambda m: m.update(surprise=1), "surprise is unknown"),
    "shard": (lambda m: m["shards"][0].update(rows=1), "rows, the manifest says 1"),
    "path": (lambda m: m["shards"][0].update(path="../x"), "malformed"),
}


@pytest.mark.parametrize("damage", MANIFESTS)
def test_a_changed_manifest_is_found(mixture: Path, damage: str) -> None:
    edit, problem = MANIFESTS[damage]
    manifest = json.loads((mixture / "manifest.json").read_text())
    edit(manifest)
    (mixture / "manifest.json").write_text(json.dumps(manifest))
    assert any(problem in line for line in told(mixture)), told(mixture)


def test_the_digest_binds_shards_and_selection(mixture: Path) -> None:
    text = (mixture / "manifest.json").read_text()
    manifest = json.loads(text)
    (mixture / "manifest.json").write_text(text.replace(manifest["mixture_digest"], "0" * 64))
    assert told(mixture) == ["manifest.json: mixture_digest does not fit the shards and plan"]


def test_documents_of_another_workspace_are_found(mixture: Path, tmp_path: Path) -> None:
    configuration = make_corpus(tmp_path / "other")
    text = configuration.read_text().replace("name: one", "name: uno")
    configuration.write_text(text)
    here("run", str(configuration), "--until", "signals")
    problems = verify(str(mixture), str(configuration.parent / "work"))
    assert len(problems) == 1
    assert "documents are not in" in str(problems[0])


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"schema_version": 99}', "\udcff"])
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content, errors="surrogateescape")
    with pytest.raises(ConfigurationError, match="manifest"):
        verify(str(tmp_path))


def test_long_lists_stand_in_files_beside_the_manifest(mixture: Path) -> None:
    from jsonschema import validate

    from schemas.manifest import MANIFEST_SCHEMA

    store = open_store(str(mixture.parent))
    whole = load_manifest(store, "main")
    write_manifest(store, "main", whole, longest=0)
    written = json.loads((mixture / "manifest.json").read_text())
    validate(written, MANIFEST_SCHEMA)
    assert written["strata"]["rows"] == len(whole["strata"])
    assert written["inputs"][0]["files"]["rows"] == 1
    assert load_manifest(store, "main") == whole
    assert told(mixture) == []
    name = written["strata"]["path"]
    (mixture / name).write_bytes(b"other")
    with pytest.raises(WinnowError, match=name):
        verify(str(mixture))
