"""The language model that comes with Winnow: what it is, and what its numbers mean on real text."""

import io
import json
import os
import random
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

import pyarrow as pa
import pytest
import zstandard
from support import ROOT

from raters.engines.options import EngineName
from raters.perplexity import Perplexity, encode
from raters.perplexity_model import SHIPPED, read_facts
from raters.training.lm_corpus import EXCLUDED, LICENCES, held_out

MB = 1_000_000
Record = dict[str, str]

FULL = pytest.mark.skipif(
    not os.environ.get("WINNOW_FULL_PERPLEXITY"),
    reason="WINNOW_FULL_PERPLEXITY=1 asks for all documents: many minutes",
)
FEW_OR_ALL = pytest.mark.parametrize(
    "every", [False, pytest.param(True, marks=(pytest.mark.slow, FULL))], ids=["few", "all"]
)
BOTH = pytest.mark.parametrize("engine", ["transformers", "torch"])


@pytest.fixture(scope="module")
def corpus(shared: Path) -> dict[str, list[Record]]:
    """The records of the mixed corpus by their source."""
    found: dict[str, list[Record]] = {}
    with (shared / "data" / "corpus" / "mixed.jsonl.zst").open("rb") as file:
        for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file)):
            record = json.loads(line)
            found.setdefault(record["source"], []).append(record)
    return found


def scored(stage: Perplexity, texts: Sequence[str]) -> dict[str, list[float]]:
    batch = pa.record_batch([pa.array(texts, pa.string())], ["text"])
    found: dict[str, list[float]] = stage.apply(batch).to_pydict()
    return found


def scores(stage: Perplexity, texts: Sequence[str]) -> list[float]:
    return scored(stage, texts)["nll_per_token"]


def in_order(clean: Sequence[float], spoilt: Sequence[float]) -> float:
    """The share of pairs whose spoilt half scores higher."""
    return sum(a < b for a, b in zip(clean, spoilt, strict=True)) / len(clean)


def varied(corpus: dict[str, list[Record]], count: int, limit: int) -> list[str]:
    """Documents of all sources and lengths, in order of length."""
    texts = sorted((r["text"] for records in corpus.values() for r in records), key=len)
    return [texts[place * (len(texts) - 1) // (count - 1)][:limit] for place in range(count)]


def plain(texts: Sequence[str]) -> list[float]:
    """The mean NLL of each text by transformers alone, window by window."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(SHIPPED, dtype=torch.float32).eval()
    facts, found = read_facts(SHIPPED), []
    room, stride = facts.window - 1, facts.window // 2
    for text in texts:
        tokens, total = encode(text, str(SHIPPED), None).tokens, 0.0
        ends = [room]
        while ends[-1] < len(tokens):
            ends.append(ends[-1] + stride)
        for before, end in pairwise([0, *ends]):
            window = torch.tensor([[facts.first, *tokens[end - room : end]]])
            with torch.inference_mode():
                likely = torch.log_softmax(model(window).logits[0, :-1], -1)
            nll = -likely.gather(1, window[0, 1:, None])[:, 0]
            total += float(nll[before - (end - room) :].double().sum())
        found.append(total / len(tokens))
    return found


def test_the_model_is_small_and_holds_no_code() -> None:
    names = {path.name for path in SHIPPED.iterdir()}
    known = {"config.json", "generation_config.json", "tokenizer.json", "README.md"}
    assert names == known | {"model.safetensors"}
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 10 * MB
    head = (SHIPPED / "model.safetensors").read_bytes()[:4096]
    size = int.from_bytes(head[:8], "little")
    assert json.loads(head[8 : 8 + size])["model.norm.weight"]["dtype"] == "BF16"


def test_the_shipped_model_is_the_default_and_passes_its_check() -> None:
    stage = Perplexity()
    stage.check()
    assert stage.file_of(stage.model) == str(SHIPPED)


@BOTH
@FEW_OR_ALL
def test_documents_of_all_lengths_score_as_a_plain_forward_pass(
    corpus: dict[str, list[Record]], every: bool, engine: EngineName
) -> None:
    texts = varied(corpus, *((500, 20_000) if every else (20, 3_000)))
    found = scored(Perplexity(engine=engine), texts)
    assert max(found["perplexity_windows"]) > 2
    expected = plain(texts)
    away = [abs(a - b) for a, b in zip(found["nll_per_token"], expected, strict=True)]
    assert max(away) <= 1e-4


@BOTH
@FEW_OR_ALL
def test_half_precision_stays_within_its_tolerance(
    corpus: dict[str, list[Record]], every: bool, engine: EngineName
) -> None:
    texts = varied(corpus, *((500, 20_000) if every else (20, 3_000)))
    whole = scored(Perplexity(), texts)
    half = scores(Perplexity(engine=engine, dtype="bfloat16"), texts)
    away = sorted(
        abs(a - b)
        for a, b, count in zip(whole["nll_per_token"], half, whole["n_scored_tokens"], strict=True)
        if count >= 32
    )
    assert sum(away) / len(away) <= 3e-3
    assert away[int(0.99 * (len(away) - 1))] <= 2e-2


@FEW_OR_ALL
def test_errors_of_recognition_score_higher(corpus: dict[str, list[Record]], every: bool) -> None:
    noisy, clean = (
        {record["id"].rpartition("-")[2]: record["text"] for record in corpus[source]}
        for source in ("ocr-overproof", "ocr-overproof-gold")
    )
    numbers = sorted(noisy.keys() & clean.keys())
    assert len(numbers) >= 40
    stage = Perplexity(max_tokens=None if every else 1000)
    good, bad = (scored(stage, [texts[number] for number in numbers]) for texts in (clean, noisy))
    for column in ("nll_per_token", "nll_per_byte", "perplexity"):
        assert in_order(good[column], bad[column]) >= 0.9, column


@FEW_OR_ALL
def test_shuffled_words_score_higher(corpus: dict[str, list[Record]], every: bool) -> None:
    texts = [
        record["text"][: 20_000 if every else 1_500].split()
        for source, records in sorted(corpus.items())
        for record in records
        if source in ("dclm-human-majority", "math-stacks", "pubmedqa")
        or (record["license"] in LICENCES and source not in EXCLUDED and held_out(record["text"]))
    ]
    words = [words for words in texts if len(words) > 30][:: 3 if every else 20]
    assert len(words) >= 40
    shuffled = [random.Random(7).sample(some, len(some)) for some in words]
    clean, spoilt = (
        scores(Perplexity(), [" ".join(some) for some in texts]) for texts in (words, shuffled)
    )
    assert in_order(clean, spoilt) >= 0.9


@FEW_OR_ALL
@pytest.mark.parametrize("source", ["spamassassin", "sms-spam"])
def test_spam_scores_higher_than_ham(
    corpus: dict[str, list[Record]], source: str, every: bool
) -> None:
    stage = Perplexity(max_tokens=None if every else 1000)
    spam, ham = (
        [record["text"] for record in corpus[source] if labelled(record, kind)]
        for kind in ("spam", "ham")
    )
    step = 1 if every else 8
    bad, good = (scored(stage, texts[::step]) for texts in (spam, ham))
    for column in ("nll_per_token", "nll_per_byte", "perplexity"):
        assert median(bad[column]) > median(good[column]), column


def labelled(record: object, kind: str) -> bool:
    """Whether the record's own label names this kind of message."""
    assert isinstance(record, dict)
    return kind in str(record["meta"]["label"]).split("-")


def test_the_training_data_is_free_credited_and_not_what_the_model_is_judged_by() -> None:
    card = (SHIPPED / "README.md").read_text()
    _, licences, collections = re.split(r"^\| (?:licence|collection) \|.*\n", card, flags=re.M)
    assert set(re.findall(r"^\| ([A-Z]\S+(?: OR \S+)?) \|", licences, re.M)) <= {*LICENCES.values()}
    names = set(re.findall(r"^\| ([a-z0-9]\S+) \|", collections, re.M))
    assert len(names) > 20
    credited = (ROOT / "examples" / "sample" / "CREDITS.md").read_text()
    assert {name for name in names if f"| {name} |" not in credited} == set()
    judges = ("ocr-overproof", "spamassassin", "sms-spam", "dclm", "pubmedqa", "math-stacks")
    assert not [name for name in judges if name in card]
