"""The stage against a plain forward pass of the same model, in a model made on the spot."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT
from support.models import FIRST, SPECIAL, WINDOW, write_model

from pipeline.stages.fingerprint import fingerprint
from raters.base import Scoring
from raters.perplexity import Perplexity, windows
from raters.perplexity_model import ModelFacts, read_facts

if TYPE_CHECKING:
    from transformers import PreTrainedModel

HOSTILE = [
    "\x00\x01\x7f",
    "\ufeff\u202e\u2066 right to left \u0430\u0301\u0301\u0301",
    "\U0010ffff\ufffe",
    "👩‍👩‍👧‍👦" * 3,
    " \n\t ",
    "日本語のテキスト",
    "a" * 300,
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


class Row(TypedDict):
    nll_per_token: float
    nll_per_byte: float
    perplexity: float
    n_scored_tokens: int
    perplexity_windows: int
    perplexity_truncated: bool
    status: str


def score(stage: Perplexity, texts: Sequence[str]) -> list[Row]:
    batch = pa.record_batch([pa.array(texts, pa.string())], ["text"])
    found: list[Row] = stage.apply(batch).to_pylist()
    return found


@lru_cache(maxsize=1)
def load(path: Path) -> "PreTrainedModel":
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(path).eval()


def plain(path: Path, tokens: Sequence[int], window: int = WINDOW) -> list[float]:
    """Each token's NLL, one forward pass a token, from the definition of windows."""
    import torch

    found = []
    for place, token in enumerate(tokens):
        later = max(0, math.ceil((place + 1 - (window - 1)) / (window // 2)))
        context = [FIRST, *tokens[later * (window // 2) : place]]
        with torch.inference_mode():
            logits = load(path)(torch.tensor([context])).logits[0, -1]
        found.append(-float(torch.log_softmax(logits.double(), 0)[token]))
    return found


def letters(text: str) -> list[int]:
    """The tokens of a text under a tokenizer that knows bytes only."""
    return [1 + byte for byte in text.encode()]


@given(st.integers(0, 500), st.integers(2, 70))
def test_windows_score_each_token_once_and_never_exceed_the_model(length: int, size: int) -> None:
    tokens = list(range(1000, 1000 + length))
    found = windows(tokens, ModelFacts(first=7, window=size))
    scored = [token for window in found for token in window.tokens[-window.scored :]]
    assert scored == tokens
    for window in found:
        assert len(window.tokens) <= size
        assert window.tokens[0] == 7
    for window in found[1:-1]:
        assert (window.scored, len(window.tokens)) == (max(1, size // 2), size)


@pytest.mark.parametrize("length", [1, 2, 31, 63, 64, 65, 95, 96, 127, 150, 200])
def test_a_text_of_any_length_scores_as_a_plain_forward_pass(model: Path, length: int) -> None:
    text = "".join(chr(97 + place * place % 26) for place in range(length))
    (row,) = score(Perplexity(model=str(model)), [text])
    nll = sum(plain(model, letters(text)))
    assert row["status"] == "ok"
    assert row["n_scored_tokens"] == length
    assert row["perplexity_windows"] == 1 + max(0, math.ceil((length - 63) / 32))
    assert row["perplexity_truncated"] is False
    assert row["nll_per_token"] == pytest.approx(nll / length, abs=1e-4)
    assert row["nll_per_byte"] == pytest.approx(nll / length, abs=1e-4)
    assert row["perplexity"] == pytest.approx(math.exp(row["nll_per_token"]))


def test_a_window_of_many_tokens_scores_as_a_plain_forward_pass(tmp_path: Path) -> None:
    write_model(tmp_path, window=512)
    text = "".join(chr(97 + place * place % 26) for place in range(300))
    (row,) = score(Perplexity(model=str(tmp_path)), [text])
    nll = sum(plain(tmp_path, letters(text), 512))
    assert row["perplexity_windows"] == 1
    assert row["nll_per_token"] == pytest.approx(nll / 300, abs=1e-4)


def test_what_stands_before_changes_the_score(model: Path) -> None:
    """Otherwise the comparison above would not notice a lost context."""
    one, other = plain(model, letters("ax"))[1], plain(model, letters("bx"))[1]
    assert abs(one - other) > 0.01


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_characters_are_scored_as_their_bytes(model: Path, text: str) -> None:
    (row,) = score(Perplexity(model=str(model)), [text])
    tokens = letters(text)
    assert row["n_scored_tokens"] == len(tokens)
    assert row["nll_per_token"] == pytest.approx(sum(plain(model, tokens)) / len(tokens), abs=1e-4)


def test_a_special_token_in_a_text_is_letters(model: Path) -> None:
    text = f"a{SPECIAL}b"
    (row,) = score(Perplexity(model=str(model)), [text])
    tokens = letters(text)
    assert row["n_scored_tokens"] == len(tokens)
    assert row["nll_per_token"] == pytest.approx(sum(plain(model, tokens)) / len(tokens), abs=1e-4)


def test_a_text_without_tokens_has_no_number(model: Path) -> None:
    empty, full = score(Perplexity(model=str(model)), ["", "x"])
    assert (empty["status"], full["status"]) == ("empty", "ok")
    assert empty["nll_per_token"] is empty["nll_per_byte"] is empty["perplexity"] is None


def test_max_tokens_scores_the_beginning_and_says_so(model: Path) -> None:
    text = "naïve café, and much more"
    cut, whole = (score(Perplexity(model=str(model), max_tokens=n), [text])[0] for n in (12, 100))
    nll = sum(plain(model, letters(text)[:12]))
    assert (cut["perplexity_truncated"], whole["perplexity_truncated"]) == (True, False)
    assert cut["n_scored_tokens"] == 12
    assert cut["nll_per_token"] == pytest.approx(nll / 12, abs=1e-4)
    # Twelve tokens are twelve bytes here: "naïve café" has ten letters, two of them of two bytes.
    assert cut["nll_per_byte"] == pytest.approx(nll / 12, abs=1e-4)
    assert whole["n_scored_tokens"] == len(text.encode())


def test_bytes_are_those_of_the_scored_part(model: Path) -> None:
    (row,) = score(Perplexity(model=str(model), max_tokens=1), ["é" * 50])
    assert row["nll_per_byte"] == pytest.approx(row["nll_per_token"] / 2)  # half of é is é


def test_the_last_bit_does_not_depend_on_the_batch(model: Path) -> None:
    stage = Perplexity(model=str(model))
    texts = [*HOSTILE, "", "one", "two words", "x" * 129, "z" * 64] * 2
    together = score(stage, texts)
    assert together == [score(stage, [text])[0] for text in texts]
    assert together[::-1] == score(stage, texts[::-1])


def test_a_model_that_caps_its_logits_is_scored_by_them(tmp_path: Path) -> None:
    from transformers import Gemma2Config

    config = Gemma2Config(
        vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, head_dim=16, max_position_embeddings=WINDOW,
        final_logit_softcapping=0.5, initializer_range=0.5, bos_token_id=FIRST,
    )  # fmt: skip
    write_model(tmp_path, config)
    text = "some words"
    (row,) = score(Perplexity(model=str(tmp_path)), [text])
    tokens = letters(text)
    assert row["nll_per_token"] == pytest.approx(
        sum(plain(tmp_path, tokens)) / len(tokens), abs=1e-4
    )


def test_a_number_that_is_none_is_a_status(model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(model, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][:] = math.nan
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    (row,) = score(Perplexity(model=str(broken)), ["text"])
    assert row["status"] == "invalid_reply"
    assert row["nll_per_token"] is row["perplexity"] is None


def test_the_fingerprint_is_the_models_content(model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "copy")
    before = fingerprint(Perplexity(model=str(copy)))
    assert before == fingerprint(Perplexity(model=str(model)))
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert fingerprint(Perplexity(model=str(copy))) != before


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_model_that_lacks_a_file_is_refused(model: Path, tmp_path: Path, missing: str) -> None:
    copy = shutil.copytree(model, tmp_path / "copy")
    (copy / missing).unlink()
    (copy / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(ValueError, match=r"model: .* has no"):
        Perplexity(model=str(copy)).check()


def test_code_beside_a_model_is_not_run(model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "evil.Evil"}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert score(Perplexity(model=str(copy)), ["text"]) == score(
        Perplexity(model=str(model)), ["text"]
    )
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("written", "first", "window"),
    [
        ({"bos_token_id": 5, "eos_token_id": 6, "max_position_embeddings": 512}, 5, 512),
        ({"bos_token_id": None, "eos_token_id": 6, "max_position_embeddings": 32768}, 6, 2048),
        ({"eos_token_id": [8, 9], "n_positions": 1024}, 8, 1024),
        ({"text_config": {"bos_token_id": 2, "max_position_embeddings": 64}}, 2, 64),
        ({"bos_token_id": 0}, 0, 2048),
    ],
)
def test_the_facts_of_a_configuration(
    tmp_path: Path, written: dict[str, object], first: int, window: int
) -> None:
    for name in ("tokenizer.json", "model.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / "config.json").write_text(json.dumps(written))
    assert read_facts(tmp_path) == ModelFacts(first, window)


def test_a_model_without_a_first_token_is_refused(tmp_path: Path) -> None:
    for name in ("tokenizer.json", "model.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 64}')
    with pytest.raises(ValueError, match="neither bos_token_id nor eos_token_id"):
        read_facts(tmp_path)


@pytest.mark.parametrize(("length", "scored"), [(3, 3), (3, 0), (0, 0), (1, 1)])
def test_a_request_never_scores_its_first_token(length: int, scored: int) -> None:
    with pytest.raises(ValueError, match="never its first"):
        Scoring(tokens=[0] * length, scored=scored)


def test_heavy_packages_wait_until_they_are_used() -> None:
    told = "import sys, raters.perplexity, jobs.__main__; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT
    )
    heavy = {"torch", "transformers", "safetensors", "tokenizers", "pyspark"}
    assert not heavy & set(run.stdout.split())


def test_a_missing_package_is_named_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "text.jsonl").write_text('{"text": "some words"}\n')
    (tmp_path / "corpus.yaml").write_text(
        "workspace: ./work\nsources: [{name: a, path: text.jsonl}]\nstages: [{perplexity: {}}]\n"
    )
    program = """
import sys
from importlib.machinery import PathFinder
class WithoutTorch(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "torch" else super().find_spec(name, path, target)
sys.meta_path = [WithoutTorch if finder is PathFinder else finder for finder in sys.meta_path]
from jobs.cli import run
sys.exit(run(["run", sys.argv[1], "--dry-run"]))
"""
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "corpus.yaml")],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert run.returncode == 2
    assert "pip install torch" in run.stderr
