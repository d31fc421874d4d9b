"""Train the shipped student: python -m raters.training.student --gold FILE --output DIR.

The same file on the same machine gives the same bytes. On others the last digits may differ.
"""

import argparse
import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipeline.stages.fingerprint import digest_of
from raters.student import FORMAT, Student
from raters.training.fit import Settings, fit_student
from raters.training.gold import Example, allowed, declared_languages, read_gold

SOURCES = (
    "criteria.py",
    "grams.py",
    "lexicon.py",
    "student.py",
    "style.py",
    "training/fit.py",
    "training/gold.py",
    "training/logits.py",
    "training/ridge.py",
    "training/student.py",
    "view.py",
)
"""The modules that decide the artefact; their digests make up the recipe's."""


def shipped_examples(gold: Sequence[Example]) -> tuple[list[Example], list[str]]:
    """The rows that may be trained on, and the languages that they are in."""
    rows = allowed(gold)
    languages = declared_languages(rows)
    return [row for row in rows if row.language in languages], languages


def describe(examples: Sequence[Example], student: Student, gold: Path) -> dict[str, object]:
    """What the artefact was made from, by which recipe."""
    root = Path(__file__).parent.parent
    return {
        "format": FORMAT,
        "gold_sha256": digest_of(str(gold)),
        "languages": student.languages.tolist(),
        "n_grams": len(student.buckets),
        "n_style_measures": len(student.style_mean),
        "recipe_sha256": {name: digest_of(str(root / name)) for name in SOURCES},
        "rows": len(examples),
        "rows_by_license": dict(sorted(Counter(e.license for e in examples).items())),
        "rows_by_source": dict(sorted(Counter(e.source for e in examples).items())),
        "settings": dataclasses.asdict(Settings()),
    }


def train(gold: Path, output: Path) -> None:
    """Write student.npz and, beside it, student.json."""
    examples, languages = shipped_examples(read_gold(gold))
    if not examples:
        raise ValueError(f"{gold} has too few rows of allowed licences in any language")
    student = fit_student(examples, languages)
    output.mkdir(parents=True, exist_ok=True)
    student.save(output / "student.npz")
    told = json.dumps(describe(examples, student, gold), indent=1) + "\n"
    (output / "student.json").write_text(told, encoding="utf-8")


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gold", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    train(arguments.gold, arguments.output)


if __name__ == "__main__":
    main()
