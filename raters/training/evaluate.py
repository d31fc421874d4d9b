"""Measure the student: python -m raters.training.evaluate --gold FILE --labels FILE --output DIR.

DIR holds what the recipe wrote; figures.json and student.md, the card, are written beside it.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from raters.student import Rating, Student, expected, load_student
from raters.training.card import Measured, write_card
from raters.training.figures import SAMPLES, Figure, agreement, agreement_with_people
from raters.training.fit import fit_student
from raters.training.gold import (
    ALLOWED_LICENSES,
    FOLDS,
    Example,
    Labelled,
    Places,
    grouped_folds,
    random_folds,
    read_gold,
    read_labels,
    without_labelled,
)
from raters.training.student import shipped_examples


def cross_validate(
    examples: Sequence[Example], split: Callable[[Sequence[Example]], Places]
) -> list[Rating]:
    """The rating of each example by a student of the other folds."""
    folds = split(examples)
    found: dict[int, Rating] = {}
    for fold in range(FOLDS):
        rest = [e for e, place in zip(examples, folds, strict=True) if place != fold]
        student = fit_student(rest, [])
        for place in np.flatnonzero(folds == fold):
            found[int(place)] = student.rate_features(examples[place].features)
    return [found[place] for place in range(len(examples))]


def human_agreement(student: Student, pages: Sequence[Labelled]) -> dict[str, Figure]:
    """AUC of the expected overall score, over all pages and over those that people agreed on."""
    values = np.array([expected(student.rate_features(p.features).scores[-1]) for p in pages])
    labels = np.array([page.label for page in pages])
    agreed = np.array([page.unanimous for page in pages])
    return {
        "all": agreement_with_people(values, labels),
        "unanimous": agreement_with_people(values[agreed], labels[agreed]),
    }


def measure(
    gold: Sequence[Example], pages: Sequence[Labelled], shipped: Student
) -> tuple[dict[str, Measured], dict[str, dict[str, Figure]]]:
    """The tables of the card: agreement with gold by split, and with people by training set."""
    examples, languages = shipped_examples(gold)
    english = [e for e in gold if e.language == "en"]
    others = [e for e in gold if e.license not in ALLOWED_LICENSES and e.language in languages]
    by_source = cross_validate(gold, grouped_folds)
    tables: dict[str, tuple[Sequence[Example], Sequence[Rating]]] = {
        "all rows, split by source": (gold, by_source),
        "all rows, split by source, those in English": (
            english,
            [r for e, r in zip(gold, by_source, strict=True) if e.language == "en"],
        ),
        "all rows, random split": (gold, cross_validate(gold, random_folds)),
        "allowed rows, split by source": (examples, cross_validate(examples, grouped_folds)),
        "the shipped artefact on the rows not allowed": (
            others,
            [shipped.rate_features(e.features) for e in others],
        ),
    }
    rest = without_labelled(gold, [page.text for page in pages])
    people = {
        f"all rows but those pages ({len(rest):,})": human_agreement(fit_student(rest, []), pages),
        f"the shipped artefact ({len(examples):,})": human_agreement(shipped, pages),
    }
    return {name: Measured(len(e), agreement(e, r)) for name, (e, r) in tables.items()}, people


def evaluate(gold: Path, labels: Path, output: Path) -> None:
    """Write figures.json and student.md beside the artefact."""
    shipped = load_student(str(output / "student.npz"))
    tables, people = measure(read_gold(gold), read_labels(labels), shipped)
    told = {
        "gold": {name: asdict(table) for name, table in tables.items()},
        "people": {name: {k: asdict(f) for k, f in row.items()} for name, row in people.items()},
    }
    (output / "figures.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    facts = json.loads((output / "student.json").read_text(encoding="utf-8"))
    (output / "student.md").write_text(write_card(facts, tables, people, SAMPLES), encoding="utf-8")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("gold", "labels", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    evaluate(arguments.gold, arguments.labels, arguments.output)


if __name__ == "__main__":
    main()
