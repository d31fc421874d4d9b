"""What the commands print and write, over a workspace of the bundled sample."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support import ROOT, contents, here

from jobs.cli import run
from raters.criteria import DOMAINS

CONFIGURATION = str(ROOT / "examples/quickstart.yaml")


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory, spark: object) -> str:
    """The option that names the workspace of a finished run."""
    folder = tmp_path_factory.mktemp("commands") / "work"
    here("run", CONFIGURATION, "--set", f"workspace={folder}")
    return f"workspace={folder}"


@pytest.fixture
def work(setting: str) -> Path:
    return Path(setting.partition("=")[2])


def rows(work: Path, output: Path, *words: str) -> list[dict[str, object]]:
    """The rows of a table as Python values."""
    here("table", str(work), *words, "-o", str(output))
    found: list[dict[str, object]] = pq.read_table(output).to_pylist()
    return found


def test_a_table_holds_what_the_expression_admits(work: Path, tmp_path: Path) -> None:
    everything = rows(work, tmp_path / "all.parquet", "--columns", "n_words,language")
    where = "n_words > 100 and language in ('de', 'fr')"
    chosen = rows(
        work, tmp_path / "some.parquet", "--columns", "n_words,language", "--where", where
    )
    wanted = [
        r for r in everything if int(str(r["n_words"])) > 100 and str(r["language"]) in "de fr"
    ]
    assert chosen == wanted
    assert 0 < len(chosen) < len(everything)
    assert list(chosen[0]) == ["id", "source", "n_words", "language"]


def test_a_table_is_the_same_in_every_format(work: Path, tmp_path: Path) -> None:
    columns = ("--columns", "language,n_tokens")
    wanted = rows(work, tmp_path / "t.parquet", *columns)
    here("table", str(work), *columns, "-o", str(tmp_path / "t.jsonl"))
    here("table", str(work), *columns, "-o", str(tmp_path / "t.csv"))
    lines = (tmp_path / "t.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == wanted
    with (tmp_path / "t.csv").open() as file:
        found = [{**row, "n_tokens": int(row["n_tokens"])} for row in csv.DictReader(file)]
    assert found == wanted


def test_a_domain_has_a_name_that_people_know(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = rows(work, tmp_path / "all.parquet", "--columns", "domain,domain_name")
    assert {(row["domain"], row["domain_name"]) for row in everything} <= {
        (None, None),
        *DOMAINS.items(),
    }
    assert len({row["domain"] for row in everything}) > 3
    where = ("--columns", "domain", "--where", "domain_name = 'Coding'")
    coding = rows(work, tmp_path / "coding.parquet", *where)
    assert [row["id"] for row in coding] == [r["id"] for r in everything if r["domain"] == "H"]
    assert list(coding[0]) == ["id", "source", "domain"]
    assert f"domain_name = Coding ({len(coding):,} documents)" in here(
        "sample", str(work), "--by", "domain_name", "-n", "60"
    )
    words = ["table", str(work), "--where", "domain_name = 'H'", "-o", str(tmp_path / "no.csv")]
    assert run(words) == 2
    assert "'H' is no value of domain_name" in capsys.readouterr().err


def test_a_table_that_fails_leaves_nothing(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["table", str(work), "--columns", "n_wrods", "-o", str(tmp_path / "t.csv")]) == 2
    assert "did you mean 'n_words'?" in capsys.readouterr().err
    assert run(["table", str(work), "-o", str(tmp_path / "t.xlsx")]) == 2
    assert run(["table", str(work), "-o", str(tmp_path / "none" / "t.csv")]) == 1
    assert list(tmp_path.iterdir()) == []


def test_sample_shows_the_most_frequent_levels(work: Path, tmp_path: Path) -> None:
    found = rows(work, tmp_path / "t.parquet", "--columns", "language")
    counts = Counter(str(row["language"]) for row in found)
    printed = here("sample", str(work), "--by", "language", "-n", "3").splitlines()
    shown = [line.split(" = ")[1] for line in printed if " = " in line]
    often = sorted(counts, key=lambda code: (-counts[code], code))[:3]
    assert shown == [f"{code} ({counts[code]:,} documents)" for code in sorted(often)]


def test_sample_shows_quantiles_from_low_to_high(work: Path, tmp_path: Path) -> None:
    found = rows(work, tmp_path / "t.parquet", "--columns", "n_words")
    counts = sorted(int(str(row["n_words"])) for row in found)
    printed = here("sample", str(work), "--by", "n_words", "-n", "5").splitlines()
    shown = [float(line.split()[0]) for line in printed[1:]]
    assert shown == sorted(shown)
    assert shown[0] == counts[0]
    assert shown[-1] == float(f"{counts[-1]:.4g}")
    assert abs(shown[2] - counts[len(counts) // 2]) <= 1


def test_sample_prints_no_control_characters(work: Path) -> None:
    printed = here("sample", str(work), "--by", "source", "-n", "40")
    assert all(c.isprintable() or c == "\n" for c in printed)


@pytest.mark.parametrize("column", ["text", "metadata", "no_such_column"])
def test_sample_by_what_has_no_levels_is_refused(work: Path, column: str) -> None:
    assert run(["sample", str(work), "--by", column]) == 2


def manifest(work: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((work / "mixtures/main/manifest.json").read_text())
    return found


def test_explain_agrees_with_the_mixture_for_every_document(work: Path, tmp_path: Path) -> None:
    shards = [pq.read_table(path, columns=["id"]) for path in work.glob("mixtures/main/*.parquet")]
    taken = {name for shard in shards for name in shard.column("id").to_pylist()}
    words = ("--columns", "n_words,exact_duplicate_of,gopher_repetition")
    found = rows(work, tmp_path / "t.parquet", *words)
    reasons: Counter[str] = Counter()
    for row in found[:: len(found) // 40] + [r for r in found if r["exact_duplicate_of"]][:4]:
        told = here("explain", str(work), str(row["id"])).splitlines()[-1]
        reason = told.partition(": ")[2]
        assert reason.startswith("in, 1 x: ") == (row["id"] in taken), told
        if int(str(row["n_words"])) < 50 and row["gopher_repetition"]:
            assert f"by the rule n_words >= 50 (here n_words = {row['n_words']})" in told
        reasons[" ".join(reason.split()[:3])] += 1
    assert {"out, by the", "out, by unique", "in, 1 x:"} <= reasons.keys()


def test_explain_asks_for_one_document(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", str(work), "zz"]) == 2
    assert "no document has an id that begins with zz" in capsys.readouterr().err
    assert run(["explain", str(work), "0"]) == 2
    assert "ids begin with 0" in capsys.readouterr().err


def test_a_dry_run_of_a_selection_writes_nothing_and_says_what_it_would(
    setting: str, work: Path
) -> None:
    before = contents(work)
    tokens = "mixtures.main.tokens=50_000"
    told = here("select", CONFIGURATION, "--set", setting, "--set", tokens, "--dry-run")
    assert contents(work) == before
    planned = json.loads(
        here("select", CONFIGURATION, "--set", setting, "--set", tokens, "--dry-run", "--json")
    )[0]
    documents = sum(cut["achieved_documents"] for cut in planned["strata"])
    achieved = sum(cut["achieved"] for cut in planned["strata"])
    assert f"would hold {documents:,} documents, {achieved:,} tokens" in told
    assert 0 < achieved <= 50_000


def test_select_before_measuring_is_refused(
    setting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["select", CONFIGURATION, "--set", setting]
    assert run([*words, "--set", "stages.language.min_score=0.5"]) == 1
    assert "stage language is not up to date" in capsys.readouterr().err
    assert run([*words, "--mixture", "mian"]) == 2
    assert "did you mean 'main'?" in capsys.readouterr().err


def test_status_tells_what_is_stale(setting: str, work: Path, tmp_path: Path) -> None:
    told = json.loads(here("status", str(work), "--json"))
    assert {stage["state"] for stage in told["stages"]} == {"in force"}
    tokens = {mixture["name"]: mixture["tokens"] for mixture in told["mixtures"]}
    assert tokens["main"] == manifest(work)["totals"]["tokens"]
    assert sum(told["rejects"].values()) == told["generations"][0]["rejects"] > 0
    changed = tmp_path / "changed.yaml"
    text = Path(CONFIGURATION).read_text().replace("sample/", f"{ROOT}/examples/sample/")
    text = text.replace("./work", str(work)).replace("language: {}", "language: {min_score: 0.5}")
    changed.write_text(text)
    states = {
        stage["stage"]: stage["state"]
        for stage in json.loads(here("status", str(changed), "--json"))["stages"]
    }
    assert states["language"] == "stale: the stage has changed"
    assert states["tokens"] == "in force"


def test_status_before_the_first_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = tmp_path / "corpus.yaml"
    here("init", str(tmp_path))
    assert run(["init", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert run(["status", str(changed)]) == 1
    assert f"winnow run {changed}" in capsys.readouterr().err


def test_clean_takes_only_what_no_index_names(setting: str, work: Path) -> None:
    (work / "_tmp").mkdir(exist_ok=True)
    (work / "_tmp/unfinished").write_bytes(b"x")
    (work / "mixtures/main/shard-00000-0123456789ab.parquet").write_bytes(b"x")
    before = contents(work)
    assert "would delete" in here("clean", str(work), "--dry-run", "--all")
    assert contents(work) == before
    assert here("clean", str(work)).startswith("deleted 0 files")  # they are young
    here("clean", str(work), "--all")
    assert not (work / "_tmp/unfinished").exists()
    gone = before.keys() - contents(work).keys()
    assert "mixtures/main/shard-00000-0123456789ab.parquet" in gone
    left = {name.split("/")[1] for name in gone if "/_slices/" not in name}
    assert left <= {"main", "_tasks", "perplexity.map"}
    here("verify", str(work / "mixtures/main"), "--workspace", str(work))
    told = json.loads(here("run", CONFIGURATION, "--set", setting, "--json"))
    assert not any(stage["parts_made"] for stage in told["stages"])
    assert not told["mixtures"][0]["made"]
