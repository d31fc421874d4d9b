"""Trains the language model that comes with Winnow.

    python -m raters.training.lm --data FILE ... --output DIR

The same files, versions and kind of processor give the same model. A run that was interrupted
goes on from its last checkpoint.
"""

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from raters.training.lm_corpus import Row, choose

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM

FIRST = "<|endoftext|>"
"""The one special token, with id 0: what stands before every document and every window."""

SAVED_EVERY = 50
"""Steps between two checkpoints."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides the model, beside the data."""

    vocabulary: int = 257
    """The bytes and the first token. With longer tokens, what falls to pieces (spam, errors of
    recognition) is cut into more of them, each easier to guess, and scores too low by the token."""
    context: int = 1024
    width: int = 192
    layers: int = 3
    heads: int = 3
    inner: int = 512
    sequences: int = 2
    steps: int = 2000
    warmup: int = 100
    decay: float = 0.35
    """The learning rate stays the same and falls to zero over this share of the steps."""
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    seed: int = 7

    def digest(self) -> str:
        """What names the recipe on the model's card."""
        told = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def rate(self, step: int) -> float:
        """The learning rate at a step."""
        rising = min(1.0, (step + 1) / self.warmup)
        falling = min(1.0, (self.steps - step) / (self.decay * self.steps))
        return self.learning_rate * rising * falling


def train_tokenizer(rows: Sequence[Row], recipe: Recipe) -> "Tokenizer":
    """A byte-level BPE: no text is without an encoding."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=[FIRST],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((row.text for row in rows), trainer)
    return tokenizer


def pack(rows: Sequence[Row], tokenizer: "Tokenizer", recipe: Recipe) -> "torch.Tensor":
    """Documents end to end, cut into sequences that begin with the first token as windows do."""
    import torch

    stream: list[int] = []
    for row in rows:
        stream += [0, *tokenizer.encode(row.text, add_special_tokens=False).ids]
    size = recipe.context - 1
    whole = len(stream) // size
    body = torch.tensor(stream[: whole * size]).view(whole, size)
    return torch.cat([torch.zeros((whole, 1), dtype=body.dtype), body], dim=1)


def new_model(recipe: Recipe) -> "LlamaForCausalLM":
    """The model before its first step."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=recipe.vocabulary,
            hidden_size=recipe.width,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            intermediate_size=recipe.inner,
            max_position_embeddings=recipe.context,
            tie_word_embeddings=True,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


class Training:
    """A model on its way, with what is needed to go on after an interruption."""

    def __init__(self, recipe: Recipe, output: Path) -> None:
        import torch

        torch.manual_seed(recipe.seed)
        torch.set_num_threads(1)  # more would add up in another order
        self.recipe, self.step = recipe, 0
        self.losses: list[float] = []
        self.model = new_model(recipe)
        groups = [
            {"params": [p for p in self.model.parameters() if p.dim() == dim], "weight_decay": w}
            for dim, w in ((2, recipe.weight_decay), (1, 0.0))
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.95))
        self.checkpoint = output / "checkpoint.safetensors"
        if self.checkpoint.exists():
            self._load()

    def run(self, data: "torch.Tensor") -> Iterator[int]:
        """Each step that is still to be done, once it is done."""
        import torch

        while self.step < self.recipe.steps:
            batch = data[self._rows(len(data))]
            for group in self._optimizer.param_groups:
                group["lr"] = self.recipe.rate(self.step)
            with torch.autocast("cpu", torch.bfloat16):
                loss = self.model(input_ids=batch, labels=batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self._optimizer.step()
            self._optimizer.zero_grad()
            self.step += 1
            self.losses.append(loss.item())
            if self.step % SAVED_EVERY == 0:
                self._save()
            yield self.step

    def _rows(self, rows: int) -> list[int]:
        """Which sequences the step sees: every one once, then again in another order."""
        import torch

        per_epoch = rows // self.recipe.sequences
        epoch, place = divmod(self.step, per_epoch)
        shuffle = torch.Generator().manual_seed(self.recipe.seed + epoch)
        order: list[int] = torch.randperm(rows, generator=shuffle).tolist()
        return order[place * self.recipe.sequences :][: self.recipe.sequences]

    def _state(self) -> "dict[str, torch.Tensor]":
        import torch

        state = {"losses": torch.tensor(self.losses)}
        for name, weight in self.model.named_parameters():
            state[f"weight.{name}"] = weight.detach()
            for key, value in self._optimizer.state.get(weight, {}).items():
                state[f"{key}.{name}"] = value
        return state

    def _save(self) -> None:
        from safetensors.torch import save_file

        beside = self.checkpoint.with_suffix(".new")
        save_file(self._state(), beside)
        beside.replace(self.checkpoint)

    def _load(self) -> None:
        import torch
        from safetensors import safe_open

        with safe_open(self.checkpoint, "pt") as file, torch.no_grad():
            self.losses = file.get_tensor("losses").tolist()
            self.step = len(self.losses)
            for name, weight in self.model.named_parameters():
                weight.copy_(file.get_tensor(f"weight.{name}"))
                keys = ("step", "exp_avg", "exp_avg_sq")
                self._optimizer.state[weight] = {k: file.get_tensor(f"{k}.{name}") for k in keys}


def validate(model: "LlamaForCausalLM", data: "torch.Tensor") -> float:
    """The mean loss over sequences that were held out, in nats per token."""
    import torch

    with torch.inference_mode():
        losses = [float(model(input_ids=row[None], labels=row[None]).loss) for row in data]
    return sum(losses) / len(losses)


def export(training: Training, output: Path) -> None:
    """The model as others load it: config.json and model.safetensors, in bfloat16."""
    import torch

    training.model.to(torch.bfloat16)
    training.model.save_pretrained(output)


def card(rows: Sequence[Row], tokens: int, losses: dict[str, float], recipe: Recipe) -> str:
    """What the model is, what it was trained on and how well it does."""
    seen = recipe.steps * recipe.sequences * (recipe.context - 1)
    return f"""---
license: cc-by-sa-4.0
---
# The language model that comes with Winnow

A causal language model (Llama architecture) that scores perplexity without a download. It is
far too small to write with, and surest of English. Recipe {recipe.digest()} of
`python -m raters.training.lm`:

{json.dumps(asdict(recipe))}

Loss in nats per token: {losses["training"]:.3f} over the last 100 steps of training,
{losses["held"]:.3f} on documents held out ({losses["per_byte"]:.3f} per byte).
Tokens of the data: {tokens:,}; tokens seen in training: {seen:,}.

{_shares("licence", [(row.licence, row.text) for row in rows])}

{_shares("collection", [(row.collection, row.text) for row in rows])}

Who made the collections is told in examples/sample/CREDITS.md of Winnow's sources.
"""


def _shares(what: str, texts: Sequence[tuple[str, str]]) -> str:
    """A table: how many documents and bytes there are of each."""
    documents, size = Counter(name for name, _ in texts), Counter[str]()
    for name, text in texts:
        size[name] += len(text.encode())
    lines = [f"| {name} | {documents[name]:,} | {size[name]:,} |" for name in sorted(documents)]
    return "\n".join([f"| {what} | documents | bytes |", "| --- | --- | --- |", *lines])


def train(paths: Sequence[Path], output: Path, recipe: Recipe) -> None:
    """Choose, tokenize, train, export, and write the card."""
    output.mkdir(parents=True, exist_ok=True)
    rows, kept = choose(paths)
    tokenizer = train_tokenizer(rows, recipe)
    tokenizer.save(str(output / "tokenizer.json"), pretty=False)
    data, held = pack(rows, tokenizer, recipe), pack(kept, tokenizer, recipe)
    training = Training(recipe, output)
    for step in training.run(data):
        if step % SAVED_EVERY == 0:
            recent = training.losses[-SAVED_EVERY:]
            print(f"step {step} loss {sum(recent) / len(recent):.3f}", flush=True)
    export(training, output)
    nats = validate(training.model.float(), held)
    per_byte = nats * held.numel() / sum(len(row.text.encode()) for row in kept)
    told = {"training": sum(training.losses[-100:]) / 100, "held": nats, "per_byte": per_byte}
    (output / "README.md").write_text(card(rows, data.numel(), told, recipe), encoding="utf-8")
    training.checkpoint.unlink()


def main(arguments: Sequence[str] | None = None) -> None:
    """Train with the recipe that makes the shipped model."""
    parser = argparse.ArgumentParser(description="Train the language model that Winnow ships.")
    parser.add_argument("--data", nargs="+", type=Path, required=True, metavar="FILE")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    options = parser.parse_args(arguments)
    train(options.data, options.output, Recipe())


if __name__ == "__main__":
    main()
