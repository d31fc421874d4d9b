"""Gold ratings: what may be trained on, and how they are split."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.io.digests import text_key
from pipeline.stages.language import Language
from raters.criteria import CRITERIA, DOMAINS
from raters.student import Features, featurise

ALLOWED_LICENSES = frozenset(
    (
        "CC0",
        "CC0-1.0",
        "CC0/PD",
        "CC0/public domain",
        "PD",
        "public domain",
        "CC-BY-4.0",
        "CC-BY-4.0 (UCI)",
        "CC-BY-SA-3.0",
        "CC-BY-SA-4.0",
        "MIT",
        "MIT/Apache-2.0",
        "Apache-2.0",
    )
)
"""The shipped artefact trains on rows of these licences, as the gold spells them, and no others."""

FOLDS = 8
MIN_LANGUAGE_ROWS = 20
MIN_LANGUAGE_GROUPS = 3
HEAD = 200
"""A gold row is the same page as one with a human label if so many characters are the same."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Example:
    """A text that was rated, with its features."""

    id: str
    text: str
    source: str
    license: str
    language: str
    scores: tuple[int, ...]
    domain: int
    features: Features

    @property
    def group(self) -> str:
        """Sources of one group are much alike: the same publisher's books, the same crawl."""
        family = self.source.split("-")[0]
        return family if family in ("openstax", "dclm") else self.source


@dataclass(frozen=True)
class Labelled:
    """A page that people judged: 1 good, 0 bad."""

    text: str
    label: int
    unanimous: bool
    features: Features


def read_gold(path: Path) -> list[Example]:
    """All rows of a file of gold ratings, in its order."""
    rows = _read(path)
    texts = pa.record_batch([pa.array([row["text"] for row in rows], pa.string())], ["text"])
    languages = Language().apply(texts).column("language").to_pylist()
    letters = list(DOMAINS)
    return [
        Example(
            id=row["id"],
            text=row["text"],
            source=row["source"],
            license=row["license"],
            language=language,
            scores=tuple(row[name] for name in CRITERIA),
            domain=letters.index(row["domain"]),
            features=featurise(row["text"]),
        )
        for row, language in zip(rows, languages, strict=True)
    ]


def read_labels(path: Path) -> list[Labelled]:
    """All pages of a file of human labels."""
    return [
        Labelled(row["text"], row["label"], row["unanimous"], featurise(row["text"]))
        for row in _read(path)
    ]


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def allowed(examples: Iterable[Example]) -> list[Example]:
    """The examples whose licence is on the allow-list."""
    return [example for example in examples if example.license in ALLOWED_LICENSES]


def declared_languages(examples: Iterable[Example]) -> list[str]:
    """Languages with enough rows, from enough groups, for a rating to mean something."""
    rows = Counter(example.language for example in examples)
    pairs = {(example.language, example.group) for example in examples}
    groups = Counter(language for language, _ in pairs)
    return sorted(
        language
        for language, count in rows.items()
        if language != "und" and count >= MIN_LANGUAGE_ROWS
        if groups[language] >= MIN_LANGUAGE_GROUPS
    )


def _normalised(text: str) -> str:
    return " ".join(text.split())


def without_labelled(examples: Sequence[Example], pages: Iterable[str]) -> list[Example]:
    """The examples that no page with a human label is among."""
    known = "\n".join(_normalised(page) for page in pages)
    return [
        example
        for example in examples
        if not example.source.startswith("dclm-human")
        and _normalised(example.text)[:HEAD] not in known
    ]


def grouped_folds(examples: Sequence[Example]) -> Places:
    """The fold of each example; no group is in two, and folds are about as large."""
    sizes = Counter(example.group for example in examples)
    filled = [0] * FOLDS
    folds: dict[str, int] = {}
    for group, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        folds[group] = filled.index(min(filled))
        filled[folds[group]] += size
    return np.array([folds[example.group] for example in examples])


def random_folds(examples: Sequence[Example]) -> Places:
    """The fold of each example, from a hash of its id."""
    return np.array([int(text_key(example.id)[:8], 16) % FOLDS for example in examples])
