"""A transformers Trainer run on a mixture of token ids: python transformers_trainer.py MIXTURE.

The model is as small as can be; what matters is where its data comes from.
"""

import sys
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import Qwen2Config, Qwen2ForCausalLM, Trainer, TrainingArguments

from pipeline.export.reader import MixtureDataset
from pipeline.export.verify import read_manifest

LENGTH = 128


def collate(samples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Documents cut to one length; padding takes no part in the loss."""
    ids = [sample["input_ids"][:LENGTH] for sample in samples]
    return {
        "input_ids": pad_sequence(ids, batch_first=True),
        "labels": pad_sequence(ids, batch_first=True, padding_value=-100),
        "attention_mask": pad_sequence([torch.ones_like(i) for i in ids], batch_first=True),
    }


def main(mixture: str, output: str) -> None:
    """Train for ten steps, and evaluate on what was held out."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=read_manifest(mixture)["format"]["vocabulary"],
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    arguments = TrainingArguments(
        output_dir=output,
        max_steps=10,
        per_device_train_batch_size=2,
        learning_rate=1e-2,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        remove_unused_columns=False,
    )
    # With several processes accelerate deals a dataset's samples to them itself.
    trainer = Trainer(
        model=Qwen2ForCausalLM(config),
        args=arguments,
        train_dataset=MixtureDataset(mixture, rank=0, ranks=1),
        eval_dataset=MixtureDataset(mixture, "validation", rank=0, ranks=1),
        data_collator=collate,
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    print("losses", *(f"{loss:.4f}" for loss in losses))
    print("held out", f"{trainer.evaluate()['eval_loss']:.4f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
