"""Importance weights of a corpus against plain Python, for any cut of it into parts."""

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import here, run_here, stage_figures, write_jsonl
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
    for number, parts in enumerate(cuts(documents, chance)[1:]):
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


CONFIGURATION = """\
workspace: ./work
seed: 7
sources: [{name: one, path: "one/*.jsonl"}]
stages:
  - tokens: {}
  - dsir: {target: target.jsonl, buckets: 100}
  - dsir: {name: fixed, target: [target.jsonl], raw: "one/a.jsonl", buckets: 100}
mixtures:
  - {name: main, recipe: dsir, where: dsir_words > 1, tokens: 40, tokenizer: shipped}
  - {name: each, score: fixed.dsir_log_weight_per_ngram, where: "fixed_status = 'ok'"}
"""


def test_added_files_move_weights_against_the_corpus_and_none_against_a_set(
    spark: "SparkSession", tmp_path: Path
) -> None:
    texts = ["the whale and the sea", "cheap cheap now", "now the sea", "whale", "..."]
    write_jsonl(tmp_path / "target.jsonl", [{"text": text} for text in TARGET])
    write_jsonl(tmp_path / "one/a.jsonl", [{"text": text} for text in texts])
    path = tmp_path / "winnow.yaml"
    path.write_text(CONFIGURATION)

    def weights() -> dict[object, tuple[object, ...]]:
        chosen = "dsir_log_weight,fixed.dsir_log_weight,dsir_status,fixed_status"
        here("table", str(tmp_path / "work"), "--columns", chosen, "-o", str(tmp_path / "t.jsonl"))
        rows = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
        return {row["id"]: tuple(row[name] for name in chosen.split(",")) for row in rows}

    run_here(str(path))
    before = weights()
    # At first the corpus is the set.
    assert all(row[0] == row[1] and row[2] == row[3] for row in before.values())
    assert sorted(str(row[2]) for row in before.values()) == ["empty", "ok", "ok", "ok", "ok"]
    write_jsonl(tmp_path / "one/b.jsonl", [{"text": "cheap cheap cheap"}])
    figures = run_here(str(path))
    after = weights()
    assert {row_id: after[row_id][1] for row_id in before} == {i: r[1] for i, r in before.items()}
    moved = [row_id for row_id, row in before.items() if row[0] != after[row_id][0]]
    assert len(moved) == sum(row[2] == "ok" for row in before.values())
    assert stage_figures(figures, "fixed")["computed"] == 1
    assert stage_figures(figures, "dsir")["computed"] == 6
    again = run_here(str(path))
    assert {stage_figures(again, name)["computed"] for name in ("dsir", "fixed")} == {0}
    assert [mixture["made"] for mixture in again["mixtures"]] == [False, False]
