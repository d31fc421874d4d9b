"""A mixture in every format: verified as it is, and every damage named."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from jsonschema import validate
from support import here
from support.mixtures import WRITTEN

from pipeline.export.data_sets import data_sets_of, plan_data_sets, stratum_folder
from pipeline.export.lists import restore
from pipeline.export.manifest import mixture_digest
from pipeline.export.samples import STRATUM, format_of, read_samples
from pipeline.export.verify import read_manifest, verify
from pipeline.io.store import open_store
from schemas.errors import WinnowError
from schemas.manifest import MANIFEST_SCHEMA

NAMES = [*WRITTEN, "repeated"]
by_name = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def mixture(request: pytest.FixtureRequest, mixtures: Path, tmp_path: Path) -> Path:
    """A copy of the mixture that the test is called for."""
    name = request.node.callspec.params["name"]
    return Path(shutil.copytree(mixtures / name, tmp_path / name))


def told(mixture: Path) -> list[str]:
    return [str(problem) for problem in verify(str(mixture))]


def rows_of(mixture: Path, split: str | None = None) -> pa.Table:
    """Every sample of a mixture, or of a split, without its content."""
    manifest = read_manifest(str(mixture))
    store, form = open_store(str(mixture)), format_of(manifest)
    names = ["id", "source", "n_tokens", "copy", STRATUM]
    return pa.Table.from_batches(
        batch.select(names).rename_columns([*names[:-1], "stratum"])
        for data in data_sets_of(manifest)
        if split in (None, data.split)
        for shard in data.shards
        for batch in read_samples(store, form, shard, ["source"])
    )


@by_name
def test_it_verifies_with_its_workspace(workspace: Path, mixtures: Path, name: str) -> None:
    written = json.loads((mixtures / name / "manifest.json").read_text())
    validate(written, MANIFEST_SCHEMA)
    assert verify(str(mixtures / name), str(workspace)) == []
    named = {f["path"] for s in written["shards"] for f in (s, *s.get("beside", ()))}
    named |= {file["path"] for file in written["files"]}
    there = {str(p.relative_to(mixtures / name)) for p in (mixtures / name).rglob("*.*")}
    assert there == named | {"manifest.json", "README.md", "croissant.json"}


def test_all_formats_hold_the_same_documents(mixtures: Path) -> None:
    wanted = set(rows_of(mixtures / "jsonl")["id"].to_pylist())
    assert len(wanted) > 20
    for name in WRITTEN:
        found = rows_of(mixtures / name)["id"].to_pylist()
        assert len(found) == len(set(found))
        if name not in ("megatron", "blend", "olmo", "datatrove"):
            assert set(found) == wanted
    tokenised = [set(rows_of(mixtures / n)["id"].to_pylist()) for n in ("megatron", "blend")]
    assert tokenised[0] == tokenised[1]


@pytest.mark.parametrize("name", ["megatron", "olmo"])
def test_the_end_of_a_document_counts(mixtures: Path, name: str) -> None:
    manifest = read_manifest(str(mixtures / name))
    rows = rows_of(mixtures / name)
    total = sum(rows["n_tokens"].to_pylist()) + len(rows)
    assert manifest["totals"]["tokens"] == total == sum(s["achieved"] for s in manifest["strata"])
    assert all(cut["achieved"] <= cut["wanted"] for cut in manifest["strata"])


def test_shards_are_cut_by_tokens(mixtures: Path) -> None:
    shards = read_manifest(str(mixtures / "jsonl"))["shards"]
    assert len(shards) == 4
    assert all(2000 <= shard["tokens"] <= 4000 for shard in shards)


def test_duplicates_are_never_split_and_never_repeated_in_validation(mixtures: Path) -> None:
    store = open_store(str(mixtures / "repeated"))
    manifest = read_manifest(str(mixtures / "repeated"))
    form = format_of(manifest)
    splits: dict[str, set[str]] = {}
    copies: dict[str, list[int]] = {"train": [], "validation": []}
    clusters: Counter[str] = Counter()
    for data in data_sets_of(manifest):
        for shard in data.shards:
            for batch in read_samples(store, form, shard, ["source"]):
                copies[data.split] += batch["copy"].to_pylist()
                for cluster, copy in zip(
                    batch["exact_cluster_id"].to_pylist(), batch["copy"].to_pylist(), strict=True
                ):
                    splits.setdefault(cluster, set()).add(data.split)
                    clusters[cluster] += copy == 0
    assert any(count > 1 for count in clusters.values())
    assert all(len(found) == 1 for found in splits.values())
    assert set(copies["validation"]) == {0}
    assert max(copies["train"]) > 0
    held = sum(found == {"validation"} for found in splits.values())
    assert 0.05 < held / len(splits) < 0.4
    assert manifest["splits"]["validation"]["by"] == ["exact_cluster_id", "id"]
    totals = manifest["totals"]
    assert totals["repeated_documents"] == sum(copy > 0 for c in copies.values() for copy in c)
    assert totals["unique_tokens"] + totals["repeated_tokens"] == totals["tokens"]


def test_strata_are_data_sets_with_a_blend(mixtures: Path) -> None:
    manifest = read_manifest(str(mixtures / "blend"))
    blend = (mixtures / "blend/megatron-blend.txt").read_text().split()
    weights = dict(zip(blend[1::2], map(int, blend[::2]), strict=True))
    assert all((mixtures / "blend" / f"{prefix}.bin").is_file() for prefix in weights)
    for cut in manifest["strata"]:
        folder = stratum_folder(cut["stratum"])
        mine = [weight for prefix, weight in weights.items() if prefix.startswith(f"{folder}/")]
        assert sum(mine) == cut["achieved"]
    splits = json.loads((mixtures / "megatron/megatron-blend.json").read_text())
    told = read_manifest(str(mixtures / "megatron"))["splits"]
    for ours, theirs in (("train", "train"), ("validation", "valid")):
        prefixes = [path.removesuffix(".bin") for path in told[ours]["shards"]]
        assert splits[theirs][1::2] == prefixes
    assert splits["test"] == []


def test_a_streaming_configuration_has_the_achieved_shares(mixtures: Path) -> None:
    streams = json.loads((mixtures / "mds/streaming.json").read_text())["streams"]
    rows = rows_of(mixtures / "mds", "train")
    for stream in streams:
        source = stream["local"].partition("/")[0]
        mine = [s == source for s in rows["source"].to_pylist()]
        tokens = sum(n for n, m in zip(rows["n_tokens"].to_pylist(), mine, strict=True) if m)
        assert stream["tokens"] == tokens
        assert stream["proportion"] == pytest.approx(sum(mine) / len(rows))
    assert sum(stream["token_share"] for stream in streams) == pytest.approx(1)


def test_licenses_are_summed(mixtures: Path, workspace: Path) -> None:
    manifest = read_manifest(str(mixtures / "repeated"))
    names = {item["license"] for item in manifest["licenses"]}
    assert names == {"not stated", "mit", "cc-by-4.0"}
    assert sum(i["tokens"] for i in manifest["licenses"]) == manifest["totals"]["tokens"]
    assert "| cc-by-4.0 |" in (mixtures / "repeated/README.md").read_text()


@by_name
@pytest.mark.parametrize("beside", [False, True])
def test_a_changed_byte_is_named(mixture: Path, name: str, beside: bool) -> None:
    shard = read_manifest(str(mixture))["shards"][0]
    if beside and "beside" not in shard:
        return
    path = mixture / (shard["beside"][0] if beside else shard)["path"]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    named = str(path.relative_to(mixture))
    assert told(mixture) == [f"{named}: its content has changed: the SHA-256 differs"]


@by_name
def test_a_lost_and_a_cut_shard_are_named(mixture: Path, name: str) -> None:
    first, second = (mixture / s["path"] for s in read_manifest(str(mixture))["shards"][:2])
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    lost, short = told(mixture)
    assert lost == f"{first.relative_to(mixture)}: is missing"
    assert short.startswith(f"{second.relative_to(mixture)}: has")


@by_name
def test_swapped_shards_are_named(mixture: Path, name: str) -> None:
    """The files trade names; then the manifest too is made to fit, as a careful forger would."""
    shards = read_manifest(str(mixture))["shards"]
    one, other = (mixture / shard["path"] for shard in shards[:2])
    spare = mixture / "spare"
    one.rename(spare)
    other.rename(one)
    spare.rename(other)
    named = {problem.split(":")[0] for problem in told(mixture)}
    assert named == {shard["path"] for shard in shards[:2]}


@by_name
def test_shards_listed_in_another_order_are_named(mixture: Path, name: str) -> None:
    def swap(manifest: dict[str, Any]) -> None:
        for items in (manifest["shards"], manifest["splits"]["train"]["shards"]):
            items[0], items[1] = items[1], items[0]

    edit(mixture, swap)
    assert any("not in the order that the seed gives" in line for line in told(mixture))


def edit(mixture: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest and sign it anew."""
    manifest = json.loads((mixture / "manifest.json").read_text())
    change(manifest)
    manifest["mixture_digest"] = mixture_digest(manifest["shards"], manifest["selection"])
    (mixture / "manifest.json").write_text(json.dumps(manifest))


COUNTS: Mapping[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "tokens of a shard": (lambda m: m["shards"][0].update(tokens=1), "tokens, the manifest says 1"),
    "rows of a shard": (lambda m: m["shards"][0].update(rows=1), "rows, the manifest says 1"),
    "tokens of a split": (lambda m: m["splits"]["train"].update(tokens=1), "splits.train.tokens"),
    "unique": (lambda m: m["totals"].update(unique_tokens=1), "unique and repeated tokens"),
    "licenses": (lambda m: m["licenses"].pop(), "licenses: "),
    "a split without a shard": (
        lambda m: m["splits"]["train"]["shards"].pop(),
        "splits do not name every shard once",
    ),
    "a path that leads out": (
        lambda m: m["shards"][0].update(path="a/../../x"),
        "shards[0] is malformed",
    ),
    "a file that leads out": (
        lambda m: m["files"].append({"path": "/x", "bytes": 1, "sha256": "0" * 64}),
        "is malformed",
    ),
}


@pytest.mark.parametrize("name", ["mds", "olmo"])
@pytest.mark.parametrize("count", COUNTS)
def test_an_edited_count_is_named(mixture: Path, name: str, count: str) -> None:
    change, problem = COUNTS[count]
    edit(mixture, change)
    assert any(problem in line for line in told(mixture)), told(mixture)


@pytest.mark.parametrize("name", ["mds", "megatron"])
def test_a_trainers_own_file_is_checked(mixture: Path, name: str) -> None:
    path = read_manifest(str(mixture))["files"][0]["path"]
    (mixture / path).write_text("{}")
    assert any(line.startswith(f"{path}: has 2 bytes") for line in told(mixture))


@pytest.mark.parametrize("name", ["../list-0123456789ab.parquet", "a/b.parquet", "manifest.json"])
def test_a_list_is_read_from_beside_the_manifest_alone(mixtures: Path, name: str) -> None:
    manifest = json.loads((mixtures / "jsonl/manifest.json").read_text())
    manifest["strata"] = {"path": name, "rows": 1, "sha256": "0" * 64}
    with pytest.raises(WinnowError, match="no name of a file that holds a list"):
        restore(open_store(str(mixtures)), "jsonl", manifest)


def test_folders_of_strata_are_distinct_and_safe() -> None:
    keys = ['["a", "b-c"]', '["a-b", "c"]', '["../x"]', "[]", '["one"]', "[null, 3]", '["é"]']
    folders = [stratum_folder(key) for key in keys]
    assert len(set(folders)) == len(keys)
    assert folders[3:6] == ["all", "one", "None-3"]
    assert all("/" not in folder and ".." not in folder for folder in folders)
    sets = plan_data_sets(keys[:2], True, True)
    assert [data.split for data in sets] == ["train", "train", "validation", "validation"]
    assert len({data.folder for data in sets}) == 4
    assert [data.folder for data in plan_data_sets(keys, False, False)] == [""]


def test_a_mixture_is_the_same_for_any_partitioning(workspace: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(workspace.parent, tmp_path / "other", ignore=lambda *_: ["work"])
    configuration = Path(folder, "winnow.yaml")
    text = configuration.read_text().replace("part_bytes: 40_000", "part_bytes: 9_000_000")
    head, _, rest = text.partition("mixtures:\n")
    entries = rest.split("  - {name: ")
    chosen = [entry for entry in entries if entry.startswith(("mds", "datatrove"))]
    configuration.write_text(head + "mixtures:\n" + "".join(f"  - {{name: {e}" for e in chosen))
    here("run", str(configuration))
    for name in ("mds", "datatrove"):
        one, other = workspace / "mixtures" / name, Path(folder, "work/mixtures", name)
        ours = {p.relative_to(one): p.read_bytes() for p in one.rglob("*.*")}
        theirs = {p.relative_to(other): p.read_bytes() for p in other.rglob("*.*")}
        assert ours == theirs
