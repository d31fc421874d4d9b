"""What entered and left between two mixtures, against a plain count."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from support import here, make_corpus

from pipeline.export.membership import compare, read_members
from pipeline.export.verify import read_manifest

SECOND = """\
  - name: second
    where: "n_words >= 60 and kind = 'prose'"
    unique: exact_cluster_id
    score: n_words
    strata: [source]
    quotas: equal
    tokens: 9_000
    tokenizer: shipped
    write: {format: megatron}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, spark: object) -> Path:
    """A workspace with two mixtures."""
    configuration = make_corpus(tmp_path_factory.mktemp("diff"))
    configuration.write_text(configuration.read_text() + SECOND)
    here("run", str(configuration))
    return configuration.parent / "work"


def held(mixture: Path) -> dict[str, str]:
    """Stratum by id, read by no code of the comparison."""
    import pyarrow.parquet as pq

    table = pq.read_table(next(p for p in sorted(mixture.glob("shard-*.parquet"))))
    return dict(zip(table["id"].to_pylist(), table["source"].to_pylist(), strict=True))


def test_entered_and_left_by_stratum_and_rule(made: Path) -> None:
    first, second = made / "mixtures/main", made / "mixtures/second"
    told = json.loads(here("diff", str(first), str(second), "--json"))
    before, after = held(first), held(second)
    for key, change in told["strata"].items():
        (source,) = json.loads(key)
        one = {name for name, stratum in before.items() if stratum == source}
        two = {name for name, stratum in after.items() if stratum == source}
        assert (change["stayed"], change["entered"], change["left"]) == (
            len(one & two),
            len(two - one),
            len(one - two),
        )
    assert sum(told["left"].values()) == len(before.keys() - after.keys()) > 0
    assert sum(told["entered"].values()) == len(after.keys() - before.keys()) > 0
    rules: Counter[str] = Counter()
    for name in before.keys() - after.keys():
        said = here("explain", str(made), name)
        (line,) = (part for part in said.splitlines() if part.startswith("mixture second: out"))
        rule = line.partition(", by ")[2]
        rules[rule.removeprefix("the ").removeprefix("rule ").partition(" (here")[0]] += 1
    for rule, count in told["left"].items():
        assert sum(n for found, n in rules.items() if found.startswith(rule)) == count, rules
    printed = here("diff", str(first), str(second))
    assert "what left, by the rule of" in printed
    assert "budget" in printed


def test_without_a_workspace_the_rules_are_left_out(made: Path, tmp_path: Path) -> None:
    for name in ("main", "second"):
        shutil.copytree(made / "mixtures" / name, tmp_path / "a" / name)
    words = (str(tmp_path / "a/main"), str(tmp_path / "a/second"))
    assert json.loads(here("diff", *words, "--json"))["left"] is None
    assert "name the workspace" in here("diff", *words)
    with_columns = json.loads(here("diff", *words, "--json", "--workspace", str(made)))
    assert with_columns["left"]


def test_a_mixture_does_not_differ_from_itself(made: Path) -> None:
    location = str(made / "mixtures/main")
    members = read_members(location, read_manifest(location))
    found = compare(members, members)
    assert len(found.entered) == len(found.left) == 0
    assert sum(change.stayed for change in found.strata.values()) == len(members.ids)
    assert members.inside(members.ids).all()
    assert not members.inside(members.ids[::-1].astype("S31").astype("S32")).any()


def test_the_plan_is_made_again_from_the_columns(made: Path, tmp_path: Path) -> None:
    from jobs.columns import open_columns
    from jobs.replanning import plan_problems

    columns = open_columns(str(made))
    for name in ("main", "second"):
        location = str(made / "mixtures" / name)
        manifest = read_manifest(location)
        assert list(plan_problems(columns, manifest)) == []
        assert "verified" in here("verify", location, "--workspace", str(made))
        manifest["selection"]["strata"][0]["cut"] = "0" * 32
        manifest["funnel"][-1]["documents"] += 1
        told = list(plan_problems(columns, manifest))
        assert len(told) == 2
        assert "leaves" in told[0]
        assert f"cut of one is {'0' * 32}" in told[1]
