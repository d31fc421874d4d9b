"""Tiny language models with random weights, whose tokens are bytes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from raters.base import Choosing

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


def larger_config() -> "PreTrainedConfig":
    """For `write_model`: a model that vLLM can run on a processor, which reads 131,072 tokens."""
    from transformers import Qwen2Config

    return Qwen2Config(
        vocab_size=8192, hidden_size=32, intermediate_size=128, num_hidden_layers=1,
        num_attention_heads=1, num_key_value_heads=1, max_position_embeddings=131_072,
        tie_word_embeddings=True, initializer_range=0.3, bos_token_id=FIRST,
    )  # fmt: skip


def write_template(folder: Path) -> None:
    """Let a model answer chats; what marks the turns are plain letters for its tokenizer."""
    told = {"chat_template": CHAT_TEMPLATE, "eos_token": CHAT_MARKERS[2]}
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")


CHAT_MARKERS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>")
"""The added tokens of a chat model; the last one is not special."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

MERGES = [
    ("t", "h"),
    ("th", "e"),
    ("\u0120", "the"),
    ("\u0120", "t"),
    (":", "_"),
    ("\u010a", "\u010a"),
]


def write_chat_model(
    folder: Path, window: int = 8192, width: int = 32, spread: float = 0.3
) -> Path:
    """A model that answers chats, with tokens of bytes, a few merges and four added tokens."""
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoModelForCausalLM, Qwen2Config

    words = [*_letters().values(), *("".join(pair) for pair in MERGES)]
    vocabulary = {word: place for place, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=MERGES))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in CHAT_MARKERS[:-1]])
    tokenizer.add_tokens([AddedToken(CHAT_MARKERS[-1], special=False)])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_template(folder)
    torch.manual_seed(3)
    end = len(words)
    made = AutoModelForCausalLM.from_config(
        Qwen2Config(
            vocab_size=end + len(CHAT_MARKERS), hidden_size=width, intermediate_size=2 * width,
            num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
            max_position_embeddings=window, tie_word_embeddings=True, initializer_range=spread,
            bos_token_id=None, eos_token_id=end,
        )
    )  # fmt: skip
    made.save_pretrained(folder)
    return folder


def teach(folder: Path, requests: Sequence["Choosing"], steps: int = 150) -> None:
    """Train the model in place to put its probability on what the requests' steps allow."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    draw = torch.Generator().manual_seed(5)
    for step in range(steps):
        request = requests[step % len(requests)]
        picks = [
            allowed[int(torch.randint(len(allowed), (1,), generator=draw))]
            for allowed in request.steps
        ]
        logits = model(torch.tensor([[*request.tokens, *picks]])).logits[0]
        logprobs = torch.log_softmax(logits[len(request.tokens) - 1 : -1], -1)
        mass = [logprobs[n, list(allowed)].logsumexp(0) for n, allowed in enumerate(request.steps)]
        optimizer.zero_grad()
        (-torch.stack(mass).sum()).backward()
        optimizer.step()
    model.save_pretrained(folder)


def _letters() -> dict[int, str]:
    """The letter that byte-level tokenizers write for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {
        **{byte: chr(byte) for byte in plain},
        **{byte: chr(256 + place) for place, byte in enumerate(others)},
    }
