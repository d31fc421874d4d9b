"""What vLLM may plan with: the card's share without the logits that it does not count."""

import json
from pathlib import Path

import pytest

from raters.engines.options import EngineOptions
from raters.engines.vllm import _vocabulary, share
from raters.perplexity import Perplexity

CARD = 80 << 30


def options(tokens: int = 2048, utilization: float = 0.9) -> EngineOptions:
    stage = Perplexity(
        engine="vllm", max_num_batched_tokens=tokens, gpu_memory_utilization=utilization
    )
    return stage.options()


@pytest.mark.parametrize(
    ("tokens", "vocabulary", "logits"),
    [(2048, 152_064, 4_982_833_152), (8192, 262_144, 32 << 30), (1, 256, 4096)],
)
def test_a_step_s_logits_are_taken_out_of_the_share(
    tokens: int, vocabulary: int, logits: int
) -> None:
    """Four copies of four bytes each: what vLLM was seen to hold for a token and a word."""
    left = share(options(tokens), vocabulary, CARD)
    assert left * CARD + logits == pytest.approx(0.9 * CARD, abs=1)
    half = share(options(tokens, 0.45), vocabulary, CARD)
    assert left - half == pytest.approx(0.45)
    assert share(options(tokens), vocabulary, 2 * CARD) > left


def test_where_the_logits_leave_nothing_it_is_said_what_to_lower() -> None:
    fits = options(1 << 16, 0.51)
    # 2^16 tokens x 2^16 words x 16 bytes are 64 GiB.
    assert share(fits, 1 << 16, 128 << 30) == pytest.approx(0.01)
    for utilization in (0.5, 0.3):
        with pytest.raises(ValueError, match=r"65536 tokens take 65536 MiB; lower max_num_batched"):
            share(options(1 << 16, utilization), 1 << 16, 128 << 30)


def test_the_vocabulary_is_that_of_the_text(tmp_path: Path) -> None:
    """A model of several modes keeps what is said of its text apart."""
    told = {
        "model_type": "gemma3",
        "text_config": {"model_type": "gemma3_text", "vocab_size": 4321},
    }
    (tmp_path / "config.json").write_text(json.dumps(told))
    assert _vocabulary(str(tmp_path)) == 4321
