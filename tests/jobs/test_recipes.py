"""Recipes: each of them runs on columns that it names, and docs/recipes.md tells of all."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.configuration import load_configuration
from jobs.plan import ingest_options, planned_mixture
from jobs.recipes import recipes
from pipeline.select.passes import InProcess, make_plan
from raters.criteria import CRITERIA
from schemas.errors import ConfigurationError

SEGMENTS = Path(__file__).parents[2] / "examples/segments.yaml"
DOCS = Path(__file__).parents[2] / "docs/recipes.md"


def listed() -> dict[str, list[str]]:
    """Columns by recipe, as the table of the documentation has them."""
    rows = re.findall(r"^\| `([^|]*)` \|[^|]*\| ([^|]*) \|$", DOCS.read_text("utf-8"), re.M)
    found: dict[str, list[str]] = {}
    for names, columns in rows:
        for name in names.replace("`", "").split(", "):
            found[name] = re.findall(r"`([^`]+)`", columns)
    return found


def configuration(folder: Path, recipe: str, **more: str) -> str:
    """A file whose documents carry every column of the recipe."""
    (folder / "a.jsonl").write_text('{"text": "a"}\n')
    kinds = {"domain": "string"}
    own = [c for c in listed()[recipe] if c not in ("source", "n_tokens")]
    mapped = ", ".join(f"{c}: {{key: {c}, type: {kinds.get(c, 'float')}}}" for c in own)
    keys = {"name": "main", "recipe": recipe, "tokenizer": "shipped", **more}
    lines = "\n".join(f"    {key}: {value}" for key, value in keys.items()).replace(
        "    ", "  - ", 1
    )
    path = folder / "c.yaml"
    path.write_text(
        "workspace: ./work\nseed: 7\nsources:\n"
        f"  - {{name: web, path: a.jsonl, columns: {{{mapped}}}}}\n"
        f"stages:\n  - tokens: {{}}\nmixtures:\n{lines}\n"
    )
    return str(path)


def test_the_table_names_every_recipe() -> None:
    assert listed().keys() == recipes().keys()
    assert {f"dataman-{name}" for name in CRITERIA[:-1]} < recipes().keys()
    assert len(recipes()) > 30


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_runs_on_the_columns_that_it_names(name: str, tmp_path: Path) -> None:
    bound = load_configuration(configuration(tmp_path, name))
    selection = planned_mixture(bound, bound.mixtures[0]).selection
    assert set(selection.columns) <= {*listed()[name], "id", "n_bytes", "n_tokens"}
    rows = [
        {
            name: (
                f"{i:032x}"
                if name == "id"
                else ("web", "books")[i % 2]
                if name == "source"
                else "ABC"[i % 3]
                if name == "domain"
                else 10 * i
                if name == "dsir_words"
                else i % 5 + 1
            )
            for name in selection.columns
        }
        for i in range(60)
    ]
    schema = pa.schema([bound.columns[n].field for n in selection.columns])
    batch = pa.RecordBatch.from_pylist(rows, schema)
    outcome = make_plan(selection, InProcess(lambda: [batch]))
    assert sum(cut.achieved_documents for cut in outcome.plan.strata) > 0


def test_a_mixtures_own_keys_go_before_its_recipes(tmp_path: Path) -> None:
    path = configuration(tmp_path, "dataman-overall-5", tokens="1000", strata="[source]")
    frame = load_configuration(path).mixtures[0].mixture
    assert (frame.tokens, frame.strata, frame.where) == (1000, ("source",), "overall_score = 5")
    assert frame.recipe == "dataman-overall-5"


def test_a_misspelt_recipe_is_refused_with_the_nearest(tmp_path: Path) -> None:
    path = Path(configuration(tmp_path, "dataman-coherence"))
    path.write_text(path.read_text().replace("dataman-coherence", "dataman-coherrence"))
    with pytest.raises(ConfigurationError, match=r"c.yaml:\d+: .*did you mean 'dataman-coherence'"):
        load_configuration(str(path))


def test_over_segments_a_budget_is_a_number_of_rows(tmp_path: Path) -> None:
    bound = load_configuration(
        SEGMENTS, [f"workspace={tmp_path}/work"], environment={}, check_workspace=False
    )
    assert all(
        read.segment and read.segment.tokens == 1024 for read in ingest_options(bound).read.values()
    )
    selection = planned_mixture(bound, bound.mixture("best")).selection
    assert selection.budget == 200 * 1024
    schema = pa.schema([bound.columns[n].field for n in selection.columns])
    rows = [
        dict.fromkeys(selection.columns, i % 4 + 2)
        | {"id": f"{i:032x}", "source": ("web", "library")[i % 2], "domain": "AABC"[i % 4]}
        | {"n_bytes": 4000, "n_tokens": 1024}
        for i in range(800)
    ]
    batch = pa.RecordBatch.from_pylist(rows, schema)
    strata = make_plan(selection, InProcess(lambda: [batch])).plan.strata
    # Each of the four strata has 200 of the 800 rows, so 50 of the 200 that the budget stands for.
    assert [cut.achieved_documents for cut in strata] == [50] * 4
    assert all(cut.achieved == cut.wanted == 50 * 1024 for cut in strata)


def cells(title: str) -> list[list[str]]:
    """The rows of the table below a heading of the documentation."""
    part = DOCS.read_text("utf-8").split(f"### {title}\n")[1]
    lines = [line for line in part.split("\n### ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("name", ["dataman-coherence", "dataman-overall-5", "points"])
def test_the_worked_example_is_what_is_selected(name: str, tmp_path: Path) -> None:
    bound = load_configuration(configuration(tmp_path, name, tokens="2000"))
    selection = planned_mixture(bound, bound.mixtures[0]).selection
    schema = pa.schema([bound.columns[n].field for n in selection.columns])
    fields = ("id", "source", "domain", "n_tokens", "coherence", "overall_score", "perplexity")
    rows = [
        {"n_bytes": 1} | dict(zip(fields, [f"{int(row[0]):032x}", *row[1:]], strict=True))
        for row in cells("The documents")
    ]
    typed = [
        {
            n: row[n]
            if n in ("id", "source", "domain")
            else float(str(row[n]))
            if n in row
            else None
            for n in selection.columns
        }
        for row in rows
    ]
    batch = pa.RecordBatch.from_pylist(typed, schema)
    outcome = make_plan(selection, InProcess(lambda: [batch]))
    found = [
        [str(n) for n in (c.wanted, c.available, c.achieved, c.achieved_documents)]
        for c in outcome.plan.strata
    ]
    expected = [row[-4:] for row in cells(name)]
    assert found == expected
