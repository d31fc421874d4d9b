"""The stages that come with Winnow, bound from a configuration."""

from pathlib import Path

import pytest

from jobs.configuration import BoundConfiguration, load_configuration
from pipeline.io.tokenizer import SHIPPED
from pipeline.stages.columns_from import ColumnsFrom
from schemas.errors import ConfigurationError

FILE = """\
workspace: w
sources: [{name: a, path: a.jsonl}]
stages:
  - language: {}
  - signals: {}
  - columns_from: {path: scores.csv, key: url, columns: [rating]}
  - exact_dedup: {}
mixtures:
  - name: main
    where: language = 'en' and gopher_quality and rating > 0
    unique: exact_cluster_id
    score: n_words
"""


def _load(folder: Path, old: str = "", new: str = "") -> BoundConfiguration:
    assert not old or FILE.count(old) == 1
    (folder / "a.jsonl").write_text("{}\n")
    (folder / "scores.csv").write_text("url,rating,n_words\nu,1,2\n")
    (folder / "broken.parquet").write_text("x")
    path = folder / "corpus.yaml"
    path.write_text(FILE.replace(old, new) if old else FILE, encoding="utf-8")
    return load_configuration(path, environment={})


def test_all_stages_are_bound(tmp_path: Path) -> None:
    bound = _load(tmp_path)
    stage = bound.stages[2].stage
    assert isinstance(stage, ColumnsFrom)
    assert stage.path == str(tmp_path / "scores.csv")
    # A relational stage sees all rows or none: only map stages have a status.
    assert "language_status" in bound.columns
    assert "exact_dedup_status" not in bound.columns
    assert {"rating", "n_words", "exact_cluster_id"} <= set(bound.catalog())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("'en'", "'enn'", ":10: mixtures.main.where: 'enn' is no value of language"),
        ("scores.csv", "broken.parquet", ":6: stages.columns_from: "),
        ("scores.csv", "score.csv", ":6: stages.columns_from.path: no file 'score.csv'"),
        ("[rating]", "[ratng]", "has no column ratng"),
        ("key: url", "key: uri", ":6: stages.columns_from.key: should be 'id', 'url' or"),
        ("[rating]", "[rating, n_words]", ":6: stages.columns_from: 'n_words' is a column of the"),
        ("language: {}", "language: {model: x.bin}", ":4: stages.language.model: no file 'x.bin'"),
        ("exact_dedup: {}", "exact_dedup: {keep: 1}", ":7: stages.exact_dedup.keep: unknown key"),
        ("score: n_words", "score: n_wrds", ":12: mixtures.main.score: no column n_wrds"),
        ("exact_cluster_id", "gopher_qualty", ":11: mixtures.main.unique: no column 'gopher_q"),
        ("exact_cluster_id", "language_score", "unique: 'language_score' is float; rows are"),
    ],
)
def test_mistakes_are_found_in_real_stages(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        _load(tmp_path, old, new)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_shipped_tokenizer_has_two_names(tmp_path: Path) -> None:
    mixture = f"score: n_words\n    tokens: 5\n    tokenizer: {SHIPPED}"
    stages = "exact_dedup: {}\n  - tokens: {name: counted, tokenizer: shipped}"
    _load(tmp_path)
    (tmp_path / "corpus.yaml").write_text(
        FILE.replace("exact_dedup: {}", stages).replace("score: n_words", mixture)
    )
    bound = load_configuration(tmp_path / "corpus.yaml", environment={})
    assert bound.mixture("main").cost_column == "counted.n_tokens"
