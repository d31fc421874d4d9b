"""N-gram models: scores beside the definition of backoff, bad files, and the stage."""

import json
import math
import os
import random
import struct
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pytest
from support.ngrams import backed_off, log10_of

from jobs.configuration import load_configuration
from pipeline.io.tokenizer import load_tokenizer
from pipeline.stages.fingerprint import fingerprint
from raters.ngram.arpa_file import ArpaError, load_arpa, read_arpa
from raters.ngram.stage import NgramPerplexity
from raters.training.ngrams import Entry, Ngram, estimate, words_of, write_arpa
from schemas.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
WORDS = (*(f"w{n}" for n in range(12)), "é", "☃")
Model = dict[Ngram, Entry]


class Row(TypedDict):
    """What the stage writes."""

    nll_per_token: float | None
    nll_per_byte: float | None
    perplexity: float | None
    n_scored_tokens: int | None
    perplexity_windows: int
    perplexity_truncated: bool
    perplexity_unknown_tokens: int
    status: str


def a_model(order: int, pruned: bool = True) -> Model:
    """Some n-grams are missing that lie within longer ones, as after pruning."""
    chance = random.Random(order)
    model = estimate([chance.choices(WORDS, k=1 + n % 8) for n in range(200)], order)
    contexts = {ngram[:-1] for ngram in model}
    ends = [ngram for ngram in model if 1 < len(ngram) < order and ngram not in contexts]
    for ngram in ends if pruned else ():
        if chance.random() < 0.5:
            del model[ngram]
    return model


@pytest.fixture(scope="module")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_arpa(tmp_path_factory.mktemp("ngram") / "model.arpa", a_model(3))


def score(stage: NgramPerplexity, texts: Sequence[str]) -> list[Row]:
    rows: list[Row] = stage.apply(pa.record_batch({"text": list(texts)})).to_pylist()
    return rows


def some_texts(count: int) -> list[str]:
    chance = random.Random(7)
    odd = ("zzz", "<s>", "</s>", "<unk>", "\u00a0")
    lines = [" ".join(chance.choices(WORDS + odd, k=n % 12)) for n in range(3 * count)]
    return ["\n".join(lines[3 * n : 3 * n + 3]) for n in range(count)]


@pytest.mark.parametrize("order", [1, 2, 3, 5, 6])
def test_scores_are_those_of_the_definition(order: int, tmp_path: Path) -> None:
    model = a_model(order)
    path = write_arpa(tmp_path / "model.arpa", model)
    texts = some_texts(150)
    rows = score(NgramPerplexity(model=str(path), normalisation="none"), texts)
    for text, row in zip(texts, rows, strict=True):
        lines = [found for line in text.split("\n") if (found := line.split(" ")) != [""]]
        tokens = sum(map(len, lines))
        nll = -math.log(10) * sum(log10_of(model, line) for line in lines)
        assert row["n_scored_tokens"] == tokens + len(lines)
        assert row["perplexity_windows"] == len(lines)
        assert row["perplexity_unknown_tokens"] == sum(w not in WORDS for x in lines for w in x)
        if not lines:
            assert row["status"] == "empty"
            continue
        assert row["nll_per_token"] == pytest.approx(nll / (tokens + len(lines)), rel=1e-5)
        assert row["nll_per_byte"] == pytest.approx(nll / len(text.encode()), rel=1e-5)
        # CCNet's: 10 ^ (-sum of log10 p / (tokens + lines)).
        ccnet = 10 ** (nll / math.log(10) / (tokens + len(lines)))
        assert row["perplexity"] == pytest.approx(ccnet, rel=1e-5)


def test_a_score_by_hand(tmp_path: Path) -> None:
    lines = [
        *("\\data\\", "ngram 1=4", "ngram 2=2", "", "\\1-grams:", "-99\t<s>\t-0.25"),
        *("-1\t</s>", "-0.5\ta\t-0.125", "-2\tb", "", "\\2-grams:", "-0.0625\t<s> a"),
        *("-3e-1\ta </s>", "", "\\end\\", ""),
    ]
    path = tmp_path / "model.arpa"
    path.write_text("\r\n".join(lines))
    stage = NgramPerplexity(model=str(path))
    one, other, unknown = score(stage, ["a", "A\n\nb a", "x"])
    assert one["nll_per_token"] == pytest.approx(math.log(10) * (0.0625 + 0.3) / 2)
    expected = 0.0625 + 0.3 + (0.25 + 2 + 0.5 + 0.3)
    assert other["nll_per_token"] == pytest.approx(math.log(10) * expected / 5)
    # As in KenLM, an unknown word has log10 p = -100 where the model does not have <unk>.
    assert unknown["nll_per_token"] == pytest.approx(math.log(10) * (0.25 + 100 + 1) / 2)


def test_texts_without_words_and_odd_ones(arpa: Path) -> None:
    stage = NgramPerplexity(model=str(arpa))
    texts = ["", " \n\t\n\u3000", "\x00\x07", "w1", "\ufeffw1 \U0010ffff", "w1 w2 " * 200_000]
    rows = score(stage, texts)
    assert [row["status"] for row in rows] == ["empty"] * 3 + ["ok"] * 3
    for row in rows[:3]:
        assert row["nll_per_token"] is row["nll_per_byte"] is row["perplexity"] is None
        assert row["n_scored_tokens"] == 0
    assert rows[5]["n_scored_tokens"] == 400_001
    assert not any(row["perplexity_truncated"] for row in rows)
    assert score(stage, texts[3:4]) == rows[3:4]


def test_an_endless_perplexity_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "model.arpa"
    path.write_text(
        "\\data\\\nngram 1=3\n\n\\1-grams:\n-99\t<s>\n-1000\t</s>\n-1000\ta\n\n\\end\\\n"
    )
    (row,) = score(NgramPerplexity(model=str(path)), ["a"])
    assert (row["status"], row["perplexity"], row["n_scored_tokens"]) == (
        *("invalid_reply", None, None),
    )


def test_a_document_can_be_one_sentence(arpa: Path) -> None:
    lines, whole = (
        score(NgramPerplexity(model=str(arpa), normalisation="none", sentences=told), ["w1\nw2"])[0]
        for told in ("lines", "document")
    )
    assert (lines["n_scored_tokens"], whole["n_scored_tokens"]) == (4, 3)
    assert whole["nll_per_token"] == pytest.approx(
        -math.log(10) * log10_of(a_model(3), ["w1", "w2"]) / 3, rel=1e-5
    )


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    model = estimate([["w1", "w2"], ["w2"]], 3)
    content = write_arpa(tmp_path / "whole.arpa", model).read_bytes().rstrip()
    path = tmp_path / "cut.arpa"
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(ArpaError, match=str(path)):
            read_arpa(path)
    path.write_bytes(content)
    assert read_arpa(path).order == 3


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("\\data\\", "data", "line 1: this is no ARPA file"),
        ("\\data\\", "\x1f\x8b", r"is compressed \(gzip\)"),
        ("ngram 2=", "ngram 3=", "line 3: .*leaves out an order"),
        ("ngram 2=4", "ngram 2=3", r"line 16: \\end\\ should stand here"),
        ("ngram 2=4", "ngram 2=6", "line 17: .*2-grams: ends before the 6 entries"),
        ("ngram 2=4", "ngram 2=400000000", "not copied whole"),
        ("\tw2 </s>", "\tw2 w9", "line 16: a word of an n-gram is not in"),
        ("\tw2 </s>", "\tw2", "line 16: a line of another form than: .*2 words"),
        ("\tw2 </s>", "\tw2 </s> x", "line 16: "),
        ("\tw2 </s>", "\tw1 w2", "line 16: an n-gram is there twice"),
        ("-99\t", "-9x9\t", "there is no decimal number"),
        ("-99\t", "nan\t", "there is no decimal number"),
        ("-99\t", "99\t", "is more than 0"),
        ("<s>", "<S>", "has no <s>"),
        ("\\end\\", "\\3-grams:", "should stand here"),
    ],
)
def test_a_bad_file_is_told_by_its_line(old: str, new: str, told: str, tmp_path: Path) -> None:
    content = write_arpa(tmp_path / "good", estimate([["w1", "w2"], ["w2"]], 2)).read_text()
    assert old in content
    path = tmp_path / "bad.arpa"
    path.write_bytes(content.replace(old, new).encode("latin-1"))
    with pytest.raises(ValueError, match=f"(?s)model: {path}.*{told}"):
        NgramPerplexity(model=str(path)).check()


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = write_arpa(tmp_path / "model.arpa", a_model(2))
    assert load_arpa(str(path)).order == 2
    before = fingerprint(NgramPerplexity(model=str(path)))
    write_arpa(path, a_model(3))
    load_arpa.cache_clear()
    assert load_arpa(str(path)).order == 3
    assert fingerprint(NgramPerplexity(model=str(path))) != before


def test_what_decides_the_values_is_in_the_fingerprint(arpa: Path) -> None:
    told = [
        fingerprint(NgramPerplexity(model=str(arpa))),
        fingerprint(NgramPerplexity(model=str(arpa), normalisation="none")),
        fingerprint(NgramPerplexity(model=str(arpa), sentences="document")),
        fingerprint(NgramPerplexity(model=str(arpa), tokenizer="shipped")),
    ]
    assert len(set(told)) == 4
    copy = arpa.with_name("copy.arpa")
    copy.write_bytes(arpa.read_bytes())
    assert fingerprint(NgramPerplexity(model=str(copy))) == told[0]


def test_the_tables_that_normalise_are_in_the_fingerprint(
    arpa: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = [NgramPerplexity(model=str(arpa), normalisation=how) for how in ("ccnet", "none")]
    before = [fingerprint(stage) for stage in stages]
    monkeypatch.setattr("unicodedata.unidata_version", "0.0.0")
    assert [fingerprint(stage) == told for stage, told in zip(stages, before, strict=True)] == [
        False,
        True,
    ]


def field(number: int, value: bytes | int | float) -> bytes:
    """A field of a message of Protocol Buffers."""
    if isinstance(value, float):
        return bytes([number << 3 | 5]) + struct.pack("<f", value)
    if isinstance(value, int):
        return bytes([number << 3, value])
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


def write_pieces(path: Path, pieces: dict[str, float], kind: int = 1) -> Path:
    """A model of SentencePiece's without a rule for characters."""
    told = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    told += [(piece, value, 1) for piece, value in pieces.items()]
    path.write_bytes(
        b"".join(
            field(1, field(1, piece.encode()) + field(2, value) + field(3, number))
            for piece, value, number in told
        )
        + field(2, field(3, kind))
    )
    return path


def test_pieces_of_sentencepiece_are_scored(tmp_path: Path) -> None:
    pieces = {"▁": -2.0, "▁w": -1.0, "w": -3.0, "0": -3.0, "x": -3.0}
    tokenizer = write_pieces(tmp_path / "sp.model", pieces)
    model = estimate([["▁w", "0", "▁w"], ["▁w", "é", "▁", "0"]], 3)
    path = write_arpa(tmp_path / "model.arpa", model)
    stage = NgramPerplexity(model=str(path), tokenizer=str(tokenizer), normalisation="none")
    stage.check()
    # A character without a piece is a word of the model's all the same.
    texts = {"w0 wé": ["▁w", "0", "▁w", "é"], " <s>  x": ["▁", "<s>", "▁", "x"]}
    for row, words in zip(score(stage, list(texts)), texts.values(), strict=True):
        assert row["n_scored_tokens"] == len(words) + 1
        expected = -math.log(10) * log10_of(model, words)
        assert row["nll_per_token"] == pytest.approx(expected / (len(words) + 1), rel=1e-5)


def pieces_of(text: str) -> list[int]:
    ids: list[int] = load_tokenizer("shipped").encode(text, add_special_tokens=False).ids
    return ids


def test_any_tokenizer_makes_pieces(tmp_path: Path) -> None:
    model = estimate([["a", "b"], ["c", "Ġ", "a"]], 2)
    path = write_arpa(tmp_path / "model.arpa", model)
    stage = NgramPerplexity(model=str(path), tokenizer="shipped", normalisation="none")
    stage.check()
    text = "q" * 250_000
    rows = score(stage, ["a b\n\nc", text])
    assert rows[0]["perplexity_windows"] == 2
    assert rows[0]["n_scored_tokens"] == 2 + len(pieces_of("a b") + pieces_of("c"))
    assert rows[1]["n_scored_tokens"] == 1 + sum(
        len(pieces_of(text[at : at + 100_000])) for at in range(0, len(text), 100_000)
    )


def test_a_tokenizer_that_does_not_fit_is_refused(tmp_path: Path, arpa: Path) -> None:
    foreign = write_pieces(tmp_path / "foreign.model", {"▁": -2.0, "a": -1.0})
    with pytest.raises(ValueError, match=r"no piece that .* knows"):
        NgramPerplexity(model=str(arpa), tokenizer=str(foreign)).check()
    for pieces, kind in (({"▁": -2.0}, 2), ({"▁": -2.0, "a▁b": -1.0}, 1), ({"a": -2.0}, 1)):
        bad = write_pieces(tmp_path / "bad.model", pieces, kind)
        with pytest.raises(ValueError, match=r"give it as a tokenizer\.json"):
            NgramPerplexity(model=str(arpa), tokenizer=str(bad)).check()
    bad.write_bytes(foreign.read_bytes()[:-3])
    with pytest.raises(ValueError, match="no whole model of SentencePiece's"):
        NgramPerplexity(model=str(arpa), tokenizer=str(bad)).check()


def write_configuration(folder: Path, parameters: str) -> Path:
    (folder / "text.jsonl").write_text('{"text": "some words"}\n')
    path = folder / "corpus.yaml"
    path.write_text(
        "workspace: ./work\nsources: [{name: a, path: text.jsonl}]\n"
        f"stages: [{{perplexity: {{engine: ngram, {parameters}}}}}]\n"
    )
    return path


def test_a_configuration_names_it(tmp_path: Path) -> None:
    write_arpa(tmp_path / "en.arpa", a_model(2))
    path = write_configuration(tmp_path, "model: en.arpa, sentences: document")
    (bound,) = load_configuration(path).stages
    assert bound.stage == NgramPerplexity(model=str(tmp_path / "en.arpa"), sentences="document")
    (tmp_path / "bad.arpa").write_text("\\data\\\n")
    for wrong, told in (
        ("model: en.arp", "en.arp"),
        ("model: en.arpa, normalisation: ccent", "did you mean 'ccnet'"),
        ("model: bad.arpa", "bad.arpa: line 2: .*tells of no n-grams"),
        ("normalisation: none", "model: is required"),
    ):
        with pytest.raises(ConfigurationError, match=told):
            load_configuration(write_configuration(tmp_path, wrong))


def test_a_binary_file_asks_for_kenlm(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(100))
    wanted = "kenlm" if find_spec("kenlm") is None else "can't be loaded by KenLM"
    with pytest.raises(ValueError, match=f"model: {path}.*{wanted}"):
        NgramPerplexity(model=str(path)).check()


KENLM = [*ROOT.glob(".venv-kenlm/lib/python3*/site-packages")]


@pytest.mark.skipif(not KENLM, reason="no .venv-kenlm: make .venv-kenlm/stamp compiles KenLM")
@pytest.mark.parametrize("order", [2, 3, 5])
def test_kenlm_gives_the_same_numbers(order: int, tmp_path: Path) -> None:
    path = write_arpa(tmp_path / "model.arpa", a_model(order))
    program = """
import sys
sys.path[:0] = [".", "tests"]
sys.path.append(sys.argv[2])
import kenlm, json
from raters.ngram.reader import _Kenlm, open_reader
from pipeline.text.decoding import frozen
from support.batches import buffers
values, ends = frozen(*buffers(json.loads(sys.stdin.read())))
for by_line in (True, False):
    ours = open_reader(sys.argv[1], None).score(values, ends, by_line)
    theirs = _Kenlm(kenlm.Model(sys.argv[1])).score(values, ends, by_line)
    assert abs(ours.log10 - theirs.log10).max() < 1e-3, (ours.log10, theirs.log10)
    for name in ("tokens", "unknown", "sentences"):
        assert (getattr(ours, name) == getattr(theirs, name)).all(), name
print("the same")
"""
    run = subprocess.run(
        [sys.executable, "-c", program, str(path), str(KENLM[0])],
        input=json.dumps(some_texts(300)),
        capture_output=True, text=True, check=False, cwd=ROOT, env=dict(os.environ),
    )  # fmt: skip
    assert "the same" in run.stdout, run.stderr


@pytest.mark.parametrize("least", [1, 2])
def test_estimated_probabilities_sum_to_one(least: int) -> None:
    chance = random.Random(1)
    model = estimate([chance.choices("abcd", k=1 + n % 6) for n in range(40)], 3, least)
    words = [ngram[0] for ngram in model if len(ngram) == 1 and ngram != ("<s>",)]
    contexts: list[Ngram] = [(), ("<s>",), ("a",), ("a", "b"), ("<s>", "c"), ("b", "b")]
    for context in contexts:
        sums = math.fsum(10 ** backed_off(model, context, word) for word in words)
        assert sums == pytest.approx(1, rel=1e-9)


def test_training_reads_texts_as_the_stage_does() -> None:
    texts = ["Élan <s>\n\nTWO 2", ""]
    assert list(words_of(texts, None, "ccnet")) == [["elan"], ["two", "0"]]
    assert list(words_of(texts, None, "none")) == [["Élan"], ["TWO", "2"]]
    assert list(words_of(texts, None, "none", by_line=False)) == [["Élan", "TWO", "2"]]
