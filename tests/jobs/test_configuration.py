import hashlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa
import pytest

from jobs.configuration import BoundConfiguration, load_configuration
from jobs.plan import ingest_options, planned_mixture
from pipeline.io.records import Segmentation
from pipeline.io.tokenizer import SHIPPED
from pipeline.select.samplers import TopK, Uniform
from pipeline.stages.base import File, MapStage
from schemas.errors import ConfigurationError
from schemas.tables import SEGMENTS, STATUSES, VALUES


@dataclass(frozen=True, kw_only=True)
class Measure(MapStage):
    """A stage of the tests, with a parameter of every type that stages use."""

    kind: ClassVar[str] = "measure"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text",)

    depth: int = 1
    share: float = 0.5
    mode: Literal["slow", "fast"] = "fast"
    model: File = "shipped"
    lists: tuple[File, ...] = ()

    def schema(self) -> pa.Schema:
        """A closed set, a number and a verdict."""
        levels = pa.field("level", pa.string(), metadata={VALUES: b'["low", "high"]'})
        return pa.schema(
            [levels, pa.field("weight", pa.float64()), pa.field("passes", pa.bool_(), False)]
        )

    def check(self) -> None:
        """Depth and share."""
        if self.depth > 5 and self.share == 0:
            raise ValueError("depth over 5 needs a share")


@dataclass(frozen=True, kw_only=True)
class Tokens(MapStage):
    """The interface of the stage `tokens`."""

    kind: ClassVar[str] = "tokens"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text",)

    tokenizer: File = "shipped"

    def schema(self) -> pa.Schema:
        """n_tokens."""
        return pa.schema([pa.field("n_tokens", pa.int64())])


@dataclass(frozen=True, kw_only=True)
class Later(Tokens):
    """A stage that reads what `measure` writes."""

    kind: ClassVar[str] = "later"
    reads: ClassVar[tuple[str, ...]] = ("weight",)

    def schema(self) -> pa.Schema:
        """n_later."""
        return pa.schema([pa.field("n_later", pa.int64())])


FILE = """\
workspace: ./work
seed: 7
sources:
  - name: web
    path: "data/*.jsonl"
    columns: {text: body, date: when, stars: {key: rating, type: int}}
  - name: books
    path: books
    format: text
stages:
  - measure: {}
  - tokens: {}
  - measure:
      name: again
      where: passes and weight > 0.5
      depth: 3
mixtures:
  - name: main
    where: passes and level = 'high'
    score: weight + again.weight
    sampler: {method: top_k}
    strata: [source, level]
    tokens: 1_000
    tokenizer: shipped
    write: {format: parquet}
"""

Load = Callable[..., BoundConfiguration]
Refusal = Callable[..., list[str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration's folder with its inputs, and the stages of this module installed."""
    kinds = {"measure": Measure, "tokens": Tokens, "later": Later}
    places = {kind: f"{cls.__module__}:{cls.__name__}" for kind, cls in kinds.items()}
    monkeypatch.setattr("jobs.stages.STAGES", places)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text("{}\n")
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "b.txt").write_text("text")
    (tmp_path / "model.bin").write_text("model")
    return tmp_path


@pytest.fixture
def load(folder: Path) -> Load:
    """Loads FILE with some lines replaced, and overrides applied."""

    def loaded(*changes: tuple[str, str], overrides: Sequence[str] = ()) -> BoundConfiguration:
        text = FILE
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (folder / "corpus.yaml").write_text(text, encoding="utf-8")
        return load_configuration(folder / "corpus.yaml", overrides, environment={})

    return loaded


@pytest.fixture
def refusal(load: Load, folder: Path) -> Refusal:
    """The lines of the error that a changed FILE gives, without the folder's name."""

    def lines(*changes: tuple[str, str], overrides: Sequence[str] = ()) -> list[str]:
        with pytest.raises(ConfigurationError) as raised:
            load(*changes, overrides=overrides)
        assert not (folder / "work").exists()
        return str(raised.value).replace(f"{folder}/", "").splitlines()

    return lines


def test_everything_is_bound(load: Load, folder: Path) -> None:
    bound = load()
    assert bound.workspace == str(folder / "work")
    assert bound.directory == folder
    assert [stage.name for stage in bound.stages] == ["measure", "tokens", "again"]
    assert bound.stages[2].stage == Measure(depth=3)
    assert bound.stages[2].where == "passes and weight > 0.5"
    assert bound.stages[2].where_expression is not None
    assert set(bound.stages[2].where_expression.columns) == {"passes", "weight"}
    mixture = bound.mixture("main")
    assert (mixture.tokens_column, mixture.cost_column) == ("n_tokens", "n_tokens")
    assert mixture.tokenizer == "shipped"
    assert [file.path for file in bound.inputs["books"]] == ["b.txt"]
    assert not (folder / "work").exists()


def test_a_stage_sees_the_columns_of_earlier_ones(load: Load) -> None:
    bound = load()
    first, last = bound.catalog("measure"), bound.catalog()
    assert "level" not in first
    assert {"id", "url", "date", "stars", "metadata"} <= set(first)
    assert str(first["date"].type) == "timestamp[us, tz=UTC]"
    assert "again.weight" not in bound.catalog("again")
    assert {"level", "measure_status", "n_tokens", "again.weight", "again_status"} <= set(last)
    assert bound.columns["again_status"].stored == "measure_status"
    assert bound.columns["again.weight"].stored == "weight"
    assert bound.columns["again.weight"].stage == "again"
    assert all(name in str(last["again_status"].metadata[VALUES]) for name in STATUSES)
    assert last["passes"].nullable
    with pytest.raises(ValueError, match="nothing"):
        bound.catalog("nothing")


def test_overrides_reach_everything(load: Load, folder: Path) -> None:
    bound = load(
        overrides=[
            "stages.measure.model=model.bin",
            "stages.again.lists=[model.bin, shipped]",
            "mixtures.main.tokens=5",
            "sources.web.path=[data]",
        ]
    )
    model = str(folder / "model.bin")
    assert bound.stages[0].stage == Measure(model=model)
    assert bound.stages[2].stage == Measure(depth=3, lists=(model, "shipped"))
    assert bound.config.mixtures[0].tokens == 5
    assert bound.config.sources[0].path == ("data",)


MISTAKES = [
    # Unknown keys.
    ("seed: 7", "sede: 7", "corpus.yaml:2: sede: unknown key; did you mean 'seed'?"),
    ("format: text", "formt: text", "corpus.yaml:9: sources.books.formt: unknown key; did you"),
    ("key: rating", "kye: rating", "corpus.yaml:6: sources.web.columns.stars.kye: unknown key"),
    ("depth: 3", "dept: 3", "corpus.yaml:16: stages.again.dept: unknown key; did you mean 'depth'"),
    ("score:", "scroe:", "corpus.yaml:20: mixtures.main.scroe: unknown key; did you mean 'score'?"),
    ("{format: parquet}", "{fmt: parquet}", "corpus.yaml:25: mixtures.main.write.fmt: unknown key"),
    (
        "{method: top_k}",
        "{method: top_k, k: 1}",
        "corpus.yaml:21: mixtures.main.sampler.k: unknown",
    ),
    (
        "top_k}",
        "gumbel, temperature: 0}",
        "corpus.yaml:21: mixtures.main.sampler: temperature must",
    ),
    (
        "top_k}",
        "gumbel, temperature: x}",
        "21: mixtures.main.sampler.temperature: should be a numb",
    ),
    (
        "    score: weight + again.weight\n",
        "",
        "mixtures.main.sampler: the sampler 'top_k' needs `s",
    ),
    # Wrong types.
    ("seed: 7", "seed: '7'", 'corpus.yaml:2: seed: should be an integer, not "7"'),
    ("tokens: 1_000", "tokens: 1.5", "corpus.yaml:23: mixtures.main.tokens: should be an int"),
    (
        "depth: 3",
        "depth: [3]",
        "corpus.yaml:16: stages.again.depth: should be an integer, not",
    ),
    ("depth: 3", "share: x", "corpus.yaml:16: stages.again.share: should be a number"),
    ("depth: 3", "mode: fst", "corpus.yaml:16: stages.again.mode: should be 'slow' or 'fast', not"),
    ("type: int", "type: integer", "corpus.yaml:6: sources.web.columns.stars.type: should be"),
    ("name: books", "name: b/k", "corpus.yaml:7: sources.b/k.name: 'b/k' is no valid name"),
    ("- tokens: {}", "- tokens", "corpus.yaml:12: stages.1: should be one stage"),
    (
        "  - name: books\n    path: books",
        "  - name: books",
        "corpus.yaml:7: sources.books.path: is",
    ),
    # Missing files.
    ("data/*.jsonl", "data/*.warc", "corpus.yaml:5: sources.web.path: "),
    ("path: books", "path: boks", "corpus.yaml:8: sources.books.path: "),
    ("depth: 3", "model: modl.bin", "corpus.yaml:16: stages.again.model: no file 'modl.bin'"),
    ("tokenizer: shipped", "tokenizer: t.json", "corpus.yaml:24: mixtures.main.tokenizer: no file"),
    # Unknown things.
    ("- tokens: {}", "- tokns: {}", "corpus.yaml:12: stages.tokns: no stage 'tokns'; did you mean"),
    ("top_k", "topk", "corpus.yaml:21: mixtures.main.sampler.method: no sampler 'topk'; did you"),
    (
        "[source, level]",
        "[source, levl]",
        "corpus.yaml:22: mixtures.main.strata.1: no column 'levl'",
    ),
    ("score: weight +", "score: weigth +", "corpus.yaml:20: mixtures.main.score: no column weigth"),
    (
        "where: passes and w",
        "where: pass and w",
        "corpus.yaml:15: stages.again.where: no column pass;",
    ),
    # Expressions.
    (
        "level = 'high'",
        "level = 'hihg'",
        "corpus.yaml:19: mixtures.main.where: 'hihg' is no value of level",
    ),
    ("level = 'high'", "level = = 'high'", "corpus.yaml:19: mixtures.main.where: syntax error"),
    ("passes and level = 'high'", "weight", "mixtures.main.where: should give true or false"),
    (
        "weight + again.weight",
        "level",
        "mixtures.main.score: should give a number, but gives string",
    ),
    ("level = 'high'", "text = 'x'", "corpus.yaml:19: mixtures.main.where: `text` is for stages"),
    (
        "level = 'high'",
        "source = 'bokos'",
        "corpus.yaml:19: mixtures.main.where: 'bokos' is no value of so",
    ),
    (
        "format: text",
        "format: txt",
        "corpus.yaml:9: sources.books.format: no format 'txt'; did you",
    ),
    ("format: text", "extractor: resili", "corpus.yaml:9: sources.books.extractor: no extractor"),
    ("path: books\n    format: text", "path: model.bin", "corpus.yaml:8: sources.books.path: "),
    # What does not go together.
    ("depth: 3", "depth: 9\n      share: 0", "corpus.yaml:13: stages.again: depth over 5 needs a"),
    ("      name: again\n", "", "corpus.yaml:13: stages.measure: the name 'measure' is taken"),
    ("    tokenizer: shipped\n", "", "corpus.yaml:23: mixtures.main.tokens: a budget in tokens"),
    (
        "tokenizer: shipped",
        "tokenizer: model.bin",
        "corpus.yaml:24: mixtures.main.tokenizer: no st",
    ),
    ("    columns: {t", "    unit: line\n    columns: {t", "corpus.yaml:6: sources.web.unit: says"),
    ("date: when", "level: when", "corpus.yaml:6: sources.web.columns.level: the stage 'measure'"),
    ("date: when", "n_bytes: when", "corpus.yaml:6: sources.web.columns.n_bytes: the column"),
    ("format: text", "columns: {stars: s}", "corpus.yaml:9: sources.books.columns.stars: the col"),
    (
        "- measure: {}\n",
        "- later: {}\n  - measure: {}\n",
        "corpus.yaml:11: stages.later: reads the column 'weight'",
    ),
    ("{format: parquet}", "{format: csv}", "mixtures.main.write.format: no format 'csv'"),
    (
        "tokenizer: shipped\n    write: {format: parquet}",
        "budget_unit: bytes\n    write: {format: megatron}",
        "corpus.yaml:25: mixtures.main.write: ids of tokens need `tokenizer`",
    ),
    (
        "{format: parquet}",
        "{format: tokens, eod_token: <x>}",
        "mixtures.main.write.eod_token: the tokenizer has no added token '<x>'",
    ),
    ("format: text", "segment: {}", "corpus.yaml:9: sources.books.segment.tokenizer: is required"),
    (
        "format: text",
        "segment: {tokenizer: shipped, token: 5}",
        "sources.books.segment.token: unknown key; did you mean 'tokens'?",
    ),
    (
        "format: text",
        "segment: {tokenizer: shipped, tokens: 0}",
        "sources.books.segment.tokens: should be greater than 0",
    ),
    (
        "format: text",
        "segment: {tokenizer: shipped, remainder: kep}",
        "sources.books.segment.remainder: should be 'drop' or 'keep', not 'kep'; did you mean",
    ),
    (
        "format: text",
        "segment: {tokenizer: modle.bin}",
        "corpus.yaml:9: sources.books.segment.tokenizer: no file 'modle.bin'",
    ),
    (
        "format: text",
        "segment: {tokenizer: model.bin}",
        "corpus.yaml:9: sources.books.segment.tokenizer: ",
    ),
    (
        "format: text",
        "segment: {tokenizer: shipped}\n    columns: {parent_id: parent}",
        "sources.books.columns.parent_id: the column 'parent_id' is given by Winnow itself",
    ),
    (
        "format: text",
        "columns: {copy: n}",
        "sources.books.columns.copy: the column 'copy' is given by Winnow itself",
    ),
    (
        "format: text",
        "segment: {tokenizer: shipped}\n    columns: {kept: {key: k, type: ranges}}",
        "sources.books.columns.kept: ranges are of a whole document's text",
    ),
    # What later versions will have.
    (
        "- tokens: {}",
        "- classifier: {}",
        "stages.classifier: the stage 'classifier' is not available in this",
    ),
    ("seed: 7", "raters: []", "corpus.yaml:2: raters: is not available in this version"),
    # The workspace.
    (
        "./work",
        "./books",
        "corpus.yaml:8: sources.books.path: names files of the workspace, books/b",
    ),
    ("./work", "./model.bin/work", "corpus.yaml:1: workspace: can't be written: model.bin"),
    ("./work", "/proc/work", "corpus.yaml:1: workspace: can't be written: /proc"),
]


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES, ids=[new for _, new, _ in MISTAKES])
def test_a_mistake_gives_one_clear_line(refusal: Refusal, old: str, new: str, message: str) -> None:
    first, *others = refusal((old, new))
    assert message in first
    # A stage that can't be bound takes nothing else down with it, and one mistake is one line.
    assert others == []
    assert "pydantic" not in first


def test_mistakes_are_told_together(refusal: Refusal) -> None:
    lines = refusal(
        ("depth: 3", "dept: 3"), ("path: books", "path: boks"), ("./work", "/proc/work")
    )
    assert len(lines) == 3
    lines = refusal(("[source, level]", "[sorce]"), ("score: weight +", "score: level +"))
    assert len(lines) == 2


def test_a_wrong_override_is_shown_as_it_was_written(refusal: Refusal) -> None:
    assert refusal(overrides=["mixtures.main.tokns=5"]) == [
        "--set mixtures.main.tokns=5: mixtures.main.tokns: unknown key; did you mean 'tokens'?"
    ]


def test_inputs_and_workspace_need_not_be_there_for_reading(load: Load, folder: Path) -> None:
    load()
    (folder / "data" / "a.jsonl").unlink()
    path = folder / "corpus.yaml"
    bound = load_configuration(
        path, ["workspace=/proc/x"], environment={}, check_inputs=False, check_workspace=False
    )
    assert bound.inputs == {}


def test_the_sampler_follows_the_score(load: Load) -> None:
    with_score = load(("    sampler: {method: top_k}\n", ""))
    without = load(
        ("    sampler: {method: top_k}\n", ""), ("    score: weight + again.weight\n", "")
    )
    assert with_score.mixtures[0].sampler == TopK()
    assert without.mixtures[0].sampler == Uniform()


def test_the_columns_of_segments_are_there_where_a_source_has_them(load: Load) -> None:
    assert not set(SEGMENTS.names) & load().columns.keys()
    mapped = load(("date: when", "parent_id: when"))
    assert set(SEGMENTS.names) & mapped.columns.keys() == {"parent_id"}
    bound = load(("format: text", "segment: {tokenizer: shipped, tokens: 8, remainder: keep}"))
    assert [bound.columns[name].field for name in SEGMENTS.names] == list(SEGMENTS)
    read = ingest_options(bound).read
    assert read["web"].segment is None
    digest = hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    assert read["books"].segment == Segmentation("shipped", digest, 8, "keep")
    assert set(SEGMENTS.names) < planned_mixture(bound, bound.mixtures[0]).written.keys()


def test_budgets_in_bytes_need_no_tokenizer(load: Load) -> None:
    bound = load(("tokenizer: shipped", "budget_unit: bytes"))
    assert bound.mixtures[0].cost_column == "n_bytes"


def test_loading_is_light(load: Load, folder: Path) -> None:
    load()
    program = (
        "import sys; from jobs.configuration import load_configuration as l;"
        f"l({str(folder / 'corpus.yaml')!r}, ['stages=[]', 'mixtures=[]']);"
        "print([m for m in ('pyspark', 'numba', 'tokenizers', 'resiliparse') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
