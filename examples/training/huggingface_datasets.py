"""Hugging Face datasets on a mixture in Parquet: python huggingface_datasets.py MIXTURE."""

import sys

from datasets import load_dataset


def main(mixture: str) -> None:
    """Stream both splits, and count their documents and tokens."""
    for name, split in load_dataset(mixture, streaming=True).items():
        tokens = [row["n_tokens"] for row in split]
        print(name, len(tokens), sum(tokens))


if __name__ == "__main__":
    main(sys.argv[1])
