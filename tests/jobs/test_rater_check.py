"""Generative raters in a configuration: a run with one, and the check of its willingness."""

import json
import re
from collections import Counter
from dataclasses import fields
from importlib.metadata import EntryPoint
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support import ROOT, here
from support.models import teach, write_chat_model

from jobs.cli import parser, run
from jobs.commands.rater_check import check
from jobs.configuration import load_configuration
from jobs.stages import RATERS, rater_class
from raters.columns import Row
from raters.criteria import CRITERIA
from raters.generative.ratings import Rated
from raters.generative.stages import DataMan, Prompted
from raters.model_stage import ModelStage
from raters.quality import Quality
from schemas.errors import ConfigurationError

SENTENCES = [
    "The river rose in the night, and by morning the lower fields were gone.",
    "She kept the letters in a box that had once held seeds from the garden.",
    "Water boils at a lower temperature on a mountain than it does by the sea.",
    "The committee met on Tuesday and decided to repair the bridge before winter.",
]
GERMAN = "Der Fluss stieg in der Nacht, und am Morgen waren die unteren Felder verschwunden. "

FILE = """\
workspace: work
sources: [{name: a, path: a.jsonl}]
stages:
  - language: {}
  - exact_dedup: {}
  - quality: {rater: dataman, model: random, preset: dataman-1.5b-en, template_file: line.txt}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, a model that was never trained, and one that answers in DataMan's form."""
    made = tmp_path_factory.mktemp("raters")
    texts = [f"{SENTENCES[n % 4]} {SENTENCES[n // 4 % 4]} Page {n}." for n in range(30)]
    texts += [GERMAN * 2, "All of it again. " + " ".join(SENTENCES) * 10, texts[3]]
    (made / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    (made / "line.txt").write_text("Rate the text and name its domain:\n")
    (made / "corpus.yaml").write_text(FILE)
    for name in ("random", "willing"):
        (made / name).mkdir()
        write_chat_model(made / name)
    stage = DataMan(
        model=str(made / "willing"),
        preset="dataman-1.5b-en",
        template_file=str(made / "line.txt"),
    )
    asker = stage.asker()
    teach(made / "willing", [asker.requests(asker.excerpt(text))[0] for text in texts[:8]])
    return made


def configuration(folder: Path, name: str, old: str, new: str) -> str:
    assert FILE.count(old) == 1
    path = folder / f"{name}.yaml"
    path.write_text(FILE.replace(old, new))
    return str(path)


@pytest.fixture(scope="module")
def done(folder: Path, spark: object) -> str:
    """What a run with the untrained model prints."""
    return here("run", str(folder / "corpus.yaml"))


def test_a_run_rates_and_tells_how_often_the_form_was_forced(folder: Path, done: str) -> None:
    here("table", str(folder / "work"), "-o", str(folder / "t.parquet"))
    rows = pq.read_table(folder / "t.parquet").to_pylist()
    told = Counter(row["quality_status"] for row in rows)
    assert told == {"ok": 31, "copied": 1, "unsupported_language": 1}
    for row in rows:
        rated = row["quality_status"] in ("ok", "copied")
        assert rated is (row["language"] == "en")
        for name in CRITERIA:
            assert (row[name] in (1, 2, 3, 4, 5)) is rated
            assert (row[f"{name}_expected"] is not None) is rated
    assert sum(row["quality_truncated"] is True for row in rows) == 1
    # A copy has the values of the row that is kept, and was not rated itself.
    low = [row["quality_status"] for row in rows if (row["quality_grammar_mass"] or 1) < 0.95]
    assert Counter(low) == {"ok": 31, "copied": 1}
    assert "\nquality: 31 documents with a grammar mass under 0.95\n" in done


def test_a_model_that_answers_in_the_form_is_fit(
    folder: Path, done: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configuration(folder, "willing", "model: random", "model: willing")
    assert run(["rater-check", config]) == 0
    told = capsys.readouterr().out
    assert "\nquality: 32 ok; 1 truncated\n" in told
    assert "\neach letter and digit is one token where it stands in the reply\n" in told
    assert re.search(r"^fit: the median grammar mass is 0\.9[5-9]", told, re.M)
    for name in ("domain", *CRITERIA):
        assert re.search(rf"^  {name} +[01]\.\d{{4}} +[01]\.\d{{4}}$", told, re.M)
    shown = [line for line in told.split("\n") if re.match(r"  [0-9a-f]{32} +[01]\.\d{4} ", line)]
    assert len(shown) == 5


def test_a_model_that_does_not_is_not_fit(
    folder: Path, done: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rater-check", str(folder / "corpus.yaml"), "-n", "4"]) == 1
    told = capsys.readouterr().out
    assert "\nquality: 4 ok; " in told
    assert re.search(r"^not fit: the median grammar mass is 0\.0\d+, less than 0.95", told, re.M)
    assert run(["rater-check", str(folder / "corpus.yaml"), "-n", "4", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["fit"] is False
    assert found["mass"] < 0.1
    assert found["statuses"] == {"ok": 4}
    assert list(found["decisions"]) == ["domain", *CRITERIA]
    assert [mass for mass, _, _ in found["lowest"]] == sorted(m for m, _, _ in found["lowest"])


@pytest.mark.parametrize(
    ("old", "new", "words", "status", "message"),
    [
        ("rater: dataman, model: random, preset: dataman-1.5b-en, template_file: line.txt", "", [],
         2, "no stage asks a language model for ratings"),
        ("language: {}", "language: {}\n  - quality: {name: more, rater: prompted, model: random}",
         [], 2, "--stage: name one of more, quality"),
        ("workspace: work", "workspace: work", ["--stage", "qualty"], 2,
         "no such stage 'qualty'; did you mean 'quality'?"),
        ("workspace: work", "workspace: work", ["-n", "0"], 2, "should be 1 or more"),
        ("workspace: work", "workspace: nowhere", [], 1, "--sample 0.001 --until language"),
        ("random,", "random, languages: [fi],", [], 1, "no document is in a language that the"),
    ],
)  # fmt: skip
def test_what_can_not_be_checked(
    folder: Path, done: str, capsys: pytest.CaptureFixture[str],
    old: str, new: str, words: list[str], status: int, message: str,
) -> None:  # fmt: skip
    config = configuration(folder, "other", old, new)
    assert run(["rater-check", config, *words]) == status
    assert message in capsys.readouterr().err


def test_the_median_decides_and_what_is_not_rated_does_not_count() -> None:
    def rated(mass: float) -> Rated:
        row: Row = {"status": "ok", "quality_grammar_mass": mass, "quality_truncated": mass < 0.5}
        return Rated(row, {"domain": mass})

    refused = Rated({"status": "invalid_reply", "quality_reason": "no"})
    documents = [(str(n), f"text {n}") for n in range(4)]
    found = check("q", documents, [rated(0.1), refused, rated(0.96), rated(0.99)])
    assert (found.fit, found.mass, found.truncated) == (True, 0.96, 1)
    assert found.statuses == {"ok": 3, "invalid_reply": 1}
    assert found.decisions == {"domain": (0.96, 0.1)}
    assert found.lowest[0] == (0.1, "0", "text 0")
    assert not check("q", documents[:2], [rated(0.9499), rated(0.9499)]).fit
    assert not check("q", documents[:1], [refused]).fit


# --- in a configuration


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rater: dataman", "rater: datamann",
         ":6: stages.quality.rater: no rater 'datamann'; did you mean 'dataman'?"),
        (", template_file: line.txt", "",
         ":6: stages.quality: template_file: the preset dataman-1.5b-en needs a file"),
        ("line.txt", "lien.txt", ":6: stages.quality.template_file: no file 'lien.txt'"),
        ("model: random, ", "", ":6: stages.quality.model: is required"),
        ("model: random", "model: shipped", "has no chat template"),
        ("dataman-1.5b-en", "dataman-1.5b-fr", "preset: should be 'dataman-1.5b-en' or"),
        ("model: random", "model: random, mod: score_only", "mod: unknown key; did you mean 'mod"),
        ("  - language: {}\n", "", "reads the column 'language', which no earlier stage writes"),
        ("rater: dataman", "rater: 7", "stages.quality.rater: should be a string"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(folder: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_configuration(configuration(folder, "wrong", old, new), environment={})
    assert message in str(raised.value)


def test_the_page_about_ratings_shows_what_there_is(folder: Path) -> None:
    page = (ROOT / "docs" / "raters.md").read_text().partition("\n## Ratings\n")[2]
    page = page.partition("\n## ")[0]
    told = set(re.findall(r"`([a-z_]+)`", page))
    shared = {field.name for field in fields(ModelStage)} - {"model"}
    for stage in (DataMan, Prompted):
        own = {field.name for field in fields(stage)} - shared - {"rater"}
        assert own <= told
        assert set(stage(model="").schema().names) - {*CRITERIA} <= told | {
            f"{name}_expected" for name in CRITERIA
        }
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S)
    path = folder / "page.yaml"
    path.write_text("workspace: work\nsources: [{name: a, path: a.jsonl}]\n" + shown)
    for name in ("DataMan-1.5B-EN", "some-instruct-model"):
        if not (folder / name).exists():
            (folder / name).symlink_to(folder / "random")
    (folder / "instruction.txt").write_text("Rate the text:\n")
    bound = load_configuration(path, environment={})
    assert [type(stage.stage) for stage in bound.stages[1:]] == [DataMan, Prompted]
    for words in re.findall(r"^\$ winnow (.*)$", page, re.M):
        parser().parse_args(words.split())


def test_a_rater_is_a_class_of_quality(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = {"student": Quality, "dataman": DataMan, "prompted": Prompted}
    assert {name: rater_class(name) for name in RATERS} == classes
    added = {
        "mine": "raters.quality:Quality",
        "student": "raters.generative.stages:DataMan",
        "perplexing": "raters.perplexity:Perplexity",
    }
    points = [EntryPoint(name, value, "winnow.raters") for name, value in added.items()]
    monkeypatch.setattr("jobs.stages.entry_points", lambda *, group: points)
    assert rater_class("mine") is rater_class("student") is Quality
    with pytest.raises(ConfigurationError, match="is no rater: its kind is 'perplexity'"):
        rater_class("perplexing")
    with pytest.raises(ConfigurationError, match="no rater 'mien'; did you mean 'mine'"):
        rater_class("mien")
