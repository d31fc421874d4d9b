"""Near duplicates on Spark against brute force over all pairs, for any cut and order."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.relations import Document, cuts, measure_relation

from pipeline.spark import stars
from pipeline.stages.exact_dedup import ExactDedup
from pipeline.stages.fuzzy_dedup import FuzzyDedup

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

WORDS = [f"word{number}" for number in range(400)]
Clusters = dict[str, tuple[str | None, str, int, float | None]]


def corpus(seed: int, families: int) -> list[Document]:
    """Families of texts in which each is an earlier one with some words changed; copies too."""
    chance = random.Random(seed)
    texts: list[str] = []
    for _ in range(families):
        family = [[chance.choice(WORDS) for _ in range(chance.randint(30, 120))]]
        for _ in range(chance.choice([0, 0, 1, 3, 8])):
            words = list(chance.choice(family))
            for _ in range(chance.choice([0, 1, 1, 2, 4])):
                words[chance.randrange(len(words))] = chance.choice(WORDS)
            family.append(words)
        texts += [" ".join(words) for words in family]
    texts += ["", "...", "one", "one two", "One  two!"]
    return [
        {"id": f"{chance.getrandbits(128):032x}", "text": text, "url": None, "source_id": str(i)}
        for i, text in enumerate(texts)
    ]


def shingles(text: str, n: int) -> frozenset[tuple[str, ...]]:
    words = ["".join(c for c in word if c.isalnum()) for word in text.casefold().split()]
    words = [word for word in words if word]
    grams = {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}
    return frozenset(grams or ({tuple(words)} if words else ()))


def similar(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0


def oracle(documents: Sequence[Document], threshold: float) -> Clusters:
    """Greedy stars over all pairs, in keep order; exact copies follow the first of them."""
    first: dict[str, str] = {}
    for document in sorted(documents, key=lambda d: str(d["id"])):
        first.setdefault(str(document["text"]), str(document["id"]))
    copies = Counter(str(d["text"]) for d in documents)
    kept = [d for d in documents if first[str(d["text"])] == d["id"]]
    kept.sort(key=lambda d: (-len(str(d["text"]).encode()), str(d["id"])))
    sets = {str(d["id"]): shingles(str(d["text"]), 5) for d in kept}
    centres: list[str] = []
    members: list[str] = []
    for name in (str(d["id"]) for d in kept):
        near = any(similar(sets[centre], sets[name]) >= threshold for centre in centres)
        (members if near else centres).append(name)
    star = {name: name for name in centres}
    near_to: dict[str, float | None] = dict.fromkeys(centres)
    for name in members:
        best, centre = max(
            ((similar(sets[c], sets[name]), c) for c in centres),
            key=lambda item: (item[0], [-ord(character) for character in item[1]]),
        )
        star[name], near_to[name] = centre, best
    sizes: Counter[str] = Counter()
    for document in kept:
        sizes[star[str(document["id"])]] += copies[str(document["text"])]
    smallest = {c: min(n for n, of in star.items() if of == c) for c in centres}
    found: Clusters = {}
    for document in documents:
        name, text = str(document["id"]), str(document["text"])
        centre = star[first[text]]
        similarity = None if name == centre else near_to[first[text]] or 1.0
        duplicate_of = None if name == centre else centre
        found[name] = (duplicate_of, smallest[centre], sizes[centre], similarity)
    return found


@pytest.mark.parametrize(("seed", "small"), [(1, 1 << 30), (2, 1 << 30), (3, 4_000)])
def test_the_clusters_are_those_of_brute_force(
    spark: "SparkSession",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    small: int,
) -> None:
    monkeypatch.setattr(stars, "SMALL_BYTES_HERE", small)
    documents = corpus(seed, families=40)
    expected = oracle(documents, 0.8)
    assert sum(of is not None for of, *_ in expected.values()) > 20
    # So many bands that no pair at the threshold is missed.
    stage = FuzzyDedup(threshold=0.8, bands=60, rows=3)
    for number, parts in enumerate(cuts(documents, random.Random(seed))):
        folder = tmp_path / str(number)
        found = measure_relation(spark, folder, parts, ExactDedup(), stage)
        assert found == expected, f"cut {number}"


def test_without_near_duplicates_every_document_is_alone(
    spark: "SparkSession", tmp_path: Path
) -> None:
    texts = [" ".join(WORDS[i * 9 : i * 9 + 9]) for i in range(20)]
    documents: list[Document] = [
        {"id": f"{i:032x}", "text": text, "url": None, "source_id": "s"}
        for i, text in enumerate(texts)
    ]
    found = measure_relation(spark, tmp_path, [documents], ExactDedup(), FuzzyDedup())
    assert found == {str(d["id"]): (None, d["id"], 1, None) for d in documents}


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"threshold": 0.0}, "threshold"),
        ({"threshold": 1.5}, "threshold"),
        ({"ngram": 0}, "ngram"),
        ({"bands": 3}, "go together"),
        ({"preset": "fineweb", "bands": 3, "rows": 3}, "preset"),
    ],
)
def test_parameters_that_can_not_be(parameters: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        FuzzyDedup(**parameters).check()  # type: ignore[arg-type]
