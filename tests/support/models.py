"""Tiny language models with random weights, whose tokens are bytes."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

FIRST = 0
SPECIAL = "<|first|>"
WINDOW = 64


def write_model(
    folder: Path, config: "PreTrainedConfig | None" = None, window: int = WINDOW
) -> Path:
    """A model and its tokenizer: token 0 is special, byte b is token b + 1."""
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoModelForCausalLM, Qwen2Config

    letters = _letters()
    vocabulary = {SPECIAL: FIRST, **{letter: 1 + byte for byte, letter in letters.items()}}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(SPECIAL, special=True)])
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(3)
    made = AutoModelForCausalLM.from_config(
        config
        or Qwen2Config(
            vocab_size=257, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=window,
            tie_word_embeddings=True, initializer_range=0.3, bos_token_id=FIRST,
        )
    )  # fmt: skip
    made.save_pretrained(folder)
    return folder


def _letters() -> dict[int, str]:
    """The letter that byte-level tokenizers write for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {
        **{byte: chr(byte) for byte in plain},
        **{byte: chr(256 + place) for place, byte in enumerate(others)},
    }
