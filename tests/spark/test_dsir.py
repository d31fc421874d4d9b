"""Importance weights of a corpus against plain Python, for any cut of it into parts."""

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.plain_ngrams import folded_words, log_ratios, log_weight
from support.relations import Document, cuts, measure_relation

from pipeline.stages.dsir import Dsir

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TARGET = ["the whale and the sea", "a whale is no fish"]


def test_weights_are_plain_pythons_for_any_cut(spark: "SparkSession", tmp_path: Path) -> None:
    chance = random.Random(3)
    words = ["the", "whale", "sea", "cheap", "now", "e\u0301", "鯨", "..."]
    documents: list[Document] = [
        {
            "id": f"{chance.getrandbits(128):032x}",
            "text": " ".join(chance.choices(words, k=number % 7)),
            "url": None if number % 5 == 0 else "http://a",
        }
        for number in range(40)
    ]
    path = tmp_path / "target.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TARGET))
    stage = Dsir(target=str(path), buckets=50)
    raw = [str(document["text"]) for document in documents if document["url"]]
    ratios = log_ratios(TARGET, raw, 2, 50, 1.0)
    first = None
    for number, parts in enumerate(cuts(documents, chance)):
        folder = tmp_path / str(number)
        found = measure_relation(spark, folder, parts, stage, where="url is not null")
        for document in documents:
            weight, each, count, status = found[str(document["id"])]
            text = str(document["text"])
            if document["url"] is None:
                assert (weight, each, count, status) == (None, None, None, "skipped")
                continue
            assert weight == pytest.approx(log_weight(text, ratios, 2), abs=1e-9)
            assert count == len(folded_words(text))
            assert status == ("ok" if count else "empty")
        # To the last bit.
        first = first or found
        assert found == first
    assert {values[-1] for values in found.values()} == {"ok", "empty", "skipped"}
