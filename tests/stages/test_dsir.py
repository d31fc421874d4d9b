"""Importance weights against the paper's formula in plain Python, and what is refused."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.plain_ngrams import folded_words, log_ratios, log_weight

from pipeline.io.text_sets import read_texts
from pipeline.stages.base import Stage
from pipeline.stages.dsir import Dsir, DsirAgainst
from pipeline.stages.fingerprint import fingerprint
from schemas.errors import WinnowError

TARGET = ["A treatise on whales, and on the hunting of whales.", "Whales sing. 鯨は歌う。"]
RAW = ["Buy cheap pills now, buy now!", "Hunting of bargains.", "On the whole, on the hole", "a"]
TEXTS = [*RAW, *TARGET, "", " ... ", "unheard", "Whales WHALES whales"]


def write(path: Path, texts: list[str], key: str = "text") -> str:
    lines = "".join(json.dumps({key: text}) + "\n" for text in texts)
    path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())
    return str(path)


def batch(texts: list[str]) -> pa.RecordBatch:
    return pa.record_batch([pa.array(texts, pa.string())], ["text"])


@pytest.mark.parametrize(("ngram", "buckets", "smoothing"), [(2, 10_000, 1.0), (3, 50, 0.25)])
def test_weights_are_the_papers_for_any_cut(
    tmp_path: Path, ngram: int, buckets: int, smoothing: float
) -> None:
    target, raw = write(tmp_path / "t.jsonl", TARGET), write(tmp_path / "r.jsonl.gz", RAW)
    stage = DsirAgainst(target=target, raw=raw, ngram=ngram, buckets=buckets, smoothing=smoothing)
    stage.check()
    found = stage.apply(batch(TEXTS))
    ratios = log_ratios(TARGET, RAW, ngram, buckets, smoothing)
    expected = [log_weight(text, ratios, ngram) for text in TEXTS]
    assert found.column("dsir_log_weight").to_pylist() == pytest.approx(expected, abs=1e-9)
    words = [len(folded_words(text)) for text in TEXTS]
    assert found.column("dsir_words").to_pylist() == words
    grams = [sum(max(0, n - k) for k in range(ngram)) for n in words]
    each = [None if w is None else w / n for w, n in zip(expected, grams, strict=True)]
    assert found.column("dsir_log_weight_per_ngram").to_pylist() == pytest.approx(each, abs=1e-9)
    told = ["ok" if n else "empty" for n in words]
    assert found.column("status").to_pylist() == told
    assert told.count("empty") == 2
    pieces = [stage.apply(batch(TEXTS[at : at + 3])) for at in range(0, len(TEXTS), 3)]
    assert pa.Table.from_batches(pieces).combine_chunks().to_batches()[0].equals(found)


def test_the_corpus_itself_gives_the_weights_that_it_gives_as_raw(tmp_path: Path) -> None:
    target, raw = write(tmp_path / "t.jsonl", TARGET), write(tmp_path / "r.jsonl", RAW)
    whole = Dsir(target=target)
    totals = np.zeros(whole.buckets, np.int64)
    for text in RAW:
        whole.count(pa.array([text]), totals)
    *arrays, _ = whole.weigh(pa.array(TEXTS), whole.weights(totals))
    found = DsirAgainst(target=target, raw=raw).apply(batch(TEXTS))
    assert all(a.equals(b) for a, b in zip(arrays, found.columns, strict=False))


def test_target_texts_weigh_more_than_raw_ones(tmp_path: Path) -> None:
    target, raw = write(tmp_path / "t.jsonl", TARGET), write(tmp_path / "r.jsonl", RAW)
    stage = DsirAgainst(target=target, raw=raw)
    weights = stage.apply(batch([TARGET[0], RAW[0]])).column("dsir_log_weight_per_ngram")
    assert weights[0].as_py() > 0 > weights[1].as_py()


def test_sets_are_files_directories_and_globs_of_several_formats(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder / "a.jsonl", ["one", "  ", "two"], "body")
    pq.write_table(pa.table({"body": ["three", None]}), folder / "b.parquet")
    (folder / "c.txt").write_text("four")
    everything = ["one", "two", "three", "four"]
    assert list(read_texts([str(folder)], "body")) == everything
    assert list(read_texts([str(folder / "*.*")], "body")) == everything
    named = [str(folder / "c.txt"), str(folder / "a.jsonl")]
    assert list(read_texts(named, "body")) == ["four", "one", "two"]


def test_what_is_suited_depends_on_raw() -> None:
    assert Dsir.suited({"target": "t"}) is Dsir
    assert Dsir.suited({"target": "t", "raw": None}) is Dsir
    assert Dsir.suited({"target": "t", "raw": "r"}) is DsirAgainst
    assert Stage.suited({}) is Stage


def test_the_fingerprint_holds_what_is_in_the_sets(tmp_path: Path) -> None:
    target, raw = write(tmp_path / "t.jsonl", TARGET), write(tmp_path / "r.jsonl", RAW)
    before = fingerprint(DsirAgainst(target=(target,), raw=raw))
    assert before == fingerprint(DsirAgainst(target=(target,), raw=raw))
    write(tmp_path / "t.jsonl", TARGET[:1])
    assert before != fingerprint(DsirAgainst(target=(target,), raw=raw))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"buckets": 1}, "buckets: should be from 2"),
        ({"ngram": 0}, "ngram: should be from 1"),
        ({"smoothing": 0.0}, "smoothing: should be above 0"),
        ({"smoothing": float("inf")}, "smoothing: should be above 0"),
        ({"target": "nowhere.jsonl"}, "target: nowhere.jsonl names no file"),
        ({"raw": "nowhere.jsonl"}, "raw: nowhere.jsonl names no file"),
    ],
)
def test_what_can_not_be_is_refused(tmp_path: Path, given: dict[str, object], told: str) -> None:
    target = write(tmp_path / "t.jsonl", TARGET)
    with pytest.raises(ValueError, match=told):
        Dsir(**{"target": target, **given}).check()  # type: ignore[arg-type]


def test_a_set_that_can_not_be_read_or_has_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n{oops\n')
    with pytest.raises(WinnowError, match=r"bad.jsonl: invalid_json at 14"):
        list(read_texts([str(tmp_path / "bad.jsonl")], "text"))
    other = write(tmp_path / "other.jsonl", TARGET, "body")
    with pytest.raises(WinnowError, match="has no text; its records have none under the key text"):
        DsirAgainst(target=other, raw=other).load()
    (tmp_path / "x.unknown").write_text("a")
    with pytest.raises(ValueError, match=r"format of .*x\.unknown can't be told"):
        Dsir(target=str(tmp_path / "x.unknown")).check()
    marks = write(tmp_path / "marks.jsonl", ["...", "!"])
    with pytest.raises(WinnowError, match=r"marks\.jsonl has no word"):
        DsirAgainst(target=marks, raw=marks).load()


def test_the_fingerprint_holds_what_is_in_folders_below(tmp_path: Path) -> None:
    deep = tmp_path / "sets/more/deep"
    deep.mkdir(parents=True)
    for folder in (deep.parent, deep):
        (folder / "a.txt").write_text("one")
    stage = Dsir(target=f"{tmp_path}/sets/**/*.txt")
    before = fingerprint(stage)
    (deep / "a.txt").write_text("another")
    assert before != fingerprint(stage)
