"""The recipe: what it trains on, what it fits, and that it gives the same bytes again."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import ROOT

from raters.criteria import CRITERIA, DOMAINS
from raters.student import SHIPPED, expected, featurise, load_student
from raters.training.evaluate import cross_validate, evaluate, human_agreement
from raters.training.figures import spearman
from raters.training.fit import fit_student
from raters.training.gold import (
    ALLOWED_LICENSES,
    FOLDS,
    Example,
    Labelled,
    allowed,
    declared_languages,
    grouped_folds,
    random_folds,
    read_gold,
    read_labels,
    without_labelled,
)
from raters.training.student import SOURCES, shipped_examples, train

GOOD = (
    "The court considered whether the statute applied, and held that it did.",
    "Cells divide in stages, each of which is controlled by several proteins.",
    "Because the theorem holds for every prime, it follows for all integers.",
    "The farmers had planted wheat, although the soil was better for barley.",
)
BAD = (
    "buy now!!! cheap cheap offer click here free $$$ win",
    "home | login | menu | contact | home | login | share",
    "lol u there?? txt me back ok ok ok its free call now",
)


def make_rows(groups: int = 6, each: int = 8, license_: str = "CC0-1.0") -> list[dict[str, object]]:
    """Gold rows of good and bad sentences, told apart by overall_score and all other criteria."""
    rng = random.Random(3)
    rows: list[dict[str, object]] = []
    for number in range(groups * each):
        good = number % 2 == 0
        pieces = [rng.choice(GOOD if good else BAD) for _ in range(4)]
        text = f"Here is what was written about it on page {number} of {license_}. " + " ".join(
            pieces
        )
        score = rng.choice((4, 5)) if good else rng.choice((1, 2))
        rows.append(
            {
                "id": f"{number:012x}",
                "source": f"made-{license_[:2]}{number // each}",
                "license": license_,
                "text": text,
                "domain": rng.choice("CAG") if good else "L",
                **dict.fromkeys(CRITERIA, score),
            }
        )
    return rows


def write_rows(path: Path, rows: Sequence[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def example(source: str, text: str = "x", license_: str = "CC0", language: str = "en") -> Example:
    return Example(source + text, text, source, license_, language, (3,) * 14, 0, featurise(text))


def test_the_allow_list_is_strict() -> None:
    kept = {"CC0", "PD", "CC-BY-4.0", "CC-BY-SA-4.0", "MIT", "Apache-2.0"}
    assert kept < ALLOWED_LICENSES
    refused = ["MIT (web text)", "Apache-2.0 repo; web (c)", "page (c) site", "PD (likely)"]
    refused += ["SpamAssassin public corpus", "AG corpus: research, non-commercial", "mit", ""]
    rows = [example("a", license_=name) for name in (*sorted(kept), *refused)]
    assert {row.license for row in allowed(rows)} == kept


def test_rows_that_are_not_allowed_change_no_byte(tmp_path: Path) -> None:
    rows = make_rows()
    for row in rows[::3]:
        row["text"] = "Es war einmal ein König, der hatte eine schöne Tochter und drei Söhne."
    one = write_rows(tmp_path / "one.jsonl", rows)
    two = write_rows(tmp_path / "two.jsonl", rows + make_rows(4, license_="MIT (web text)"))
    for gold in (one, two):
        train(gold, tmp_path / gold.stem)
    assert (tmp_path / "one/student.npz").read_bytes() == (
        tmp_path / "two/student.npz"
    ).read_bytes()
    facts = json.loads((tmp_path / "two/student.json").read_text())
    # The German rows are from as many groups, but there are too few of them.
    assert facts["rows_by_license"] == {"CC0-1.0": 32}
    assert facts["languages"] == ["en"]
    assert all((ROOT / "raters" / name).is_file() for name in facts["recipe_sha256"])
    with pytest.raises(ValueError, match="too few rows of allowed licences"):
        train(write_rows(tmp_path / "few.jsonl", rows[:9]), tmp_path / "few")


def test_the_recipe_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    gold = write_rows(tmp_path / "gold.jsonl", make_rows())
    command = (sys.executable, "-m", "raters.training.student")
    for seed in ("1", "2"):
        output = tmp_path / seed
        subprocess.run(
            [*command, "--gold", str(gold), "--output", str(output)],
            check=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
    for name in ("student.npz", "student.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_student_learns_what_its_examples_show(tmp_path: Path) -> None:
    examples = read_gold(write_rows(tmp_path / "gold.jsonl", make_rows()))
    ratings = cross_validate(examples, grouped_folds)
    for criterion in range(len(CRITERIA)):
        means = np.array([expected(rating.scores[criterion]) for rating in ratings])
        high = np.array([example.scores[criterion] >= 4 for example in examples])
        assert means[high].min() > means[~high].max()
    shops = np.array([rating.domains.argmax() == [*DOMAINS].index("L") for rating in ratings])
    assert np.array_equal(shops, ~high)


def test_the_order_never_turns_where_nothing_can_be_learned() -> None:
    texts = [f"{a} {b}" for a in GOOD for b in (*GOOD, *BAD)]
    made = [
        replace(example(f"s{n % 7}", text), scores=(1 + (n // 7 + n % 7) % 5,) * 14)
        for n, text in enumerate(texts)
    ]
    student = fit_student(made, ["en"])
    assert (student.slopes >= 1).all()
    assert (np.diff(student.cuts, axis=1) <= 0).all()


def test_pages_with_a_human_label_are_left_out() -> None:
    page = "A page that people judged,   and\nthat goes on for longer. " + "More of it. " * 40
    rows = [
        example("dclm-human", "anything"),
        example("dclm-human-agreement", "anything else"),
        example("web-pages", " ".join(page.split())[:300] + " but ends otherwise"),
        example("web-pages", "\n" + page),
        example("web-pages", "Another page. " + page),
        example("dclm-other", "not judged"),
    ]
    assert without_labelled(rows, ["A first page.", page]) == rows[4:]
    assert without_labelled(rows, ["A first page."]) == rows[2:]


@pytest.fixture(scope="module")
def gold(shared: Path) -> list[Example]:
    return read_gold(shared / "gold" / "ratings.jsonl")


@pytest.fixture(scope="module")
def pages(shared: Path) -> list[Labelled]:
    return read_labels(shared / "data" / "quality" / "dclm_human.jsonl")


def test_the_shipped_rows_have_no_human_label(gold: list[Example], pages: list[Labelled]) -> None:
    rest = without_labelled(gold, [page.text for page in pages])
    assert 300 < len(gold) - len(rest) < 400
    heads = {" ".join(page.text.split())[:200] for page in pages}
    assert not any(" ".join(row.text.split())[:200] in heads for row in rest)
    examples, languages = shipped_examples(gold)
    assert {row.id for row in examples} <= {row.id for row in rest}
    card = json.loads((ROOT / "raters/data/student.json").read_text())
    assert card["rows"] == len(examples)
    assert card["languages"] == languages


def test_the_shipped_artefact_agrees_with_people(
    gold: list[Example], pages: list[Labelled]
) -> None:
    student = load_student(str(SHIPPED))
    people = human_agreement(student, pages)
    assert people["all"].value > 0.78
    assert people["unanimous"].value > 0.88
    rows = [row for row in gold if row.source.startswith("dclm-human")]
    ratings = [student.rate_features(row.features) for row in rows]
    means = np.array([expected(rating.scores[-1]) for rating in ratings])
    assert spearman(means, np.array([float(row.scores[-1]) for row in rows])) > 0.55
    assert (
        np.mean([row.domain == r.domains.argmax() for row, r in zip(rows, ratings, strict=True)])
        > 0.5
    )


def test_languages_need_rows_and_groups() -> None:
    rows = [example(f"s{n % 3}", str(n), language="en") for n in range(20)]
    rows += [example(f"s{n % 2}", str(n), language="de") for n in range(40)]
    rows += [example(f"s{n % 4}", str(n), language="fr") for n in range(19)]
    rows += [example(f"s{n % 4}", str(n), language="und") for n in range(40)]
    assert declared_languages(rows) == ["en"]


def test_no_group_is_in_two_folds() -> None:
    names = ["openstax-a", "openstax-b", "dclm-human", "dclm-x", *(f"s-{n}" for n in range(12))]
    rows = [example(name, str(n)) for name in names for n in range(len(name))]
    folds = grouped_folds(rows)
    for group in {row.group for row in rows}:
        assert len({fold for row, fold in zip(rows, folds, strict=True) if row.group == group}) == 1
    assert set(folds.tolist()) == set(range(FOLDS))
    assert rows[0].group == "openstax"
    assert {row.group for row in rows if row.source.startswith("dclm-")} == {"dclm"}
    by_hash = random_folds(rows)
    assert set(by_hash.tolist()) == set(range(FOLDS))
    assert by_hash[::-1].tolist() == random_folds(rows[::-1]).tolist()


def test_the_card_tells_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raters.training.figures.SAMPLES", 10)
    web = make_rows(2, license_="MIT (web text)")
    gold = write_rows(tmp_path / "gold.jsonl", make_rows() + web)
    pages = [{"text": r["text"], "label": n % 2, "unanimous": n > 4} for n, r in enumerate(web)]
    labels = write_rows(tmp_path / "labels.jsonl", pages)
    train(gold, tmp_path / "out")
    evaluate(gold, labels, tmp_path / "out")
    card = (tmp_path / "out" / "student.md").read_text()
    figures = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert [table["rows"] for table in figures["gold"].values()] == [64, 64, 64, 48, 16]
    assert all(f"| {name} |" in card for name in (*CRITERIA, "domain", "CC0-1.0"))
    people = figures["people"]["all rows but those pages (48)"]
    assert people["all"]["value"] <= 0.1  # labelled the wrong way round
    assert f"| {people['unanimous']['value']:.3f} (" in card


def test_the_shipped_card_is_of_the_shipped_artefact() -> None:
    folder = ROOT / "raters" / "data"
    facts = json.loads((folder / "student.json").read_text())
    student = load_student(str(folder / "student.npz"))
    assert facts["languages"] == student.languages.tolist()
    assert facts["n_grams"] == len(student.buckets)
    assert set(facts["rows_by_license"]) <= ALLOWED_LICENSES
    assert sum(facts["rows_by_license"].values()) == facts["rows"]
    assert set(facts["recipe_sha256"]) == set(SOURCES)
    assert f"## Trained on {facts['rows']:,} rows" in (folder / "student.md").read_text()
