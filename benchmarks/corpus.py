"""Corpora of any size, the same bytes every time: of the sample's texts, or of mixed ones."""

import contextlib
import gzip
import itertools
import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import zstandard

from benchmarks.runs import ROOT


@lru_cache
def sample_texts() -> tuple[str, ...]:
    """The documents of the sample's library."""
    with gzip.open(ROOT / "examples/sample/library.jsonl.gz", "rt", encoding="utf-8") as lines:
        return tuple(json.loads(line)["text"] for line in lines)


@lru_cache
def mixed_texts() -> tuple[str, ...]:
    """The mixed corpus of the larger data where it is at hand, else the bundled sample."""
    shared = Path(os.environ.get("WINNOW_SHARED_DATA", ROOT.parent / "shared"))
    path = shared / "data" / "corpus" / "mixed.jsonl.zst"
    if not path.is_file():
        return sample_texts()
    with zstandard.open(path, "rt", encoding="utf-8") as lines:
        return tuple(json.loads(line)["text"] for line in lines)


def perturbed_texts() -> Iterator[str]:
    """The mixed corpus, then copies of it: of each text one word in 20, 50, 100 or 400 is new."""
    yield from mixed_texts()
    chance = np.random.default_rng(1)
    while True:
        for text in mixed_texts():
            words = text.split(" ")
            count = max(1, len(words) // int(chance.choice([20, 50, 100, 400])))
            places = chance.integers(len(words), size=count)
            for place, number in zip(places, chance.integers(4000, size=count), strict=True):
                words[place] = f"new{number}"
            yield " ".join(words)


def endless_texts() -> Iterator[str]:
    """The sample over and over, each document marked, so that only planted copies are equal."""
    for turn in itertools.count():
        for number, text in enumerate(sample_texts()):
            # Every tenth document is there twice, far apart.
            mark = turn // 2 if number % 10 == 0 else turn
            yield f"{text}\n{mark}.{number}"


def endless_rows() -> Iterator[str]:
    """The sample's lines as documents of their own, over and over."""
    lines = [line for text in sample_texts() for line in text.splitlines() if len(line) > 40]
    for turn in itertools.count():
        for number, line in enumerate(lines):
            yield f"{line[:200]} {turn}.{number}"


@contextlib.contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    with path.open("wb") as file:
        if path.suffix == ".zst":
            with zstandard.ZstdCompressor(1).stream_writer(file) as stream:
                yield stream
        else:
            yield file


def write_documents(path: Path, texts: Iterator[str], size: int) -> int:
    """A JSONL file of at least `size` bytes (before compression); how many documents it has."""
    written = documents = 0
    with _written(path) as file:
        while written < size:
            line = json.dumps({"text": next(texts)}, ensure_ascii=False).encode() + b"\n"
            file.write(line)
            written += len(line)
            documents += 1
    return documents


def write_line(path: Path, size: int) -> None:
    """A JSONL file of an ordinary document and one with a text of `size` bytes or more, if any."""
    texts = endless_texts()
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps({"text": next(texts)}, ensure_ascii=False) + "\n")
        if size:
            file.write('{"text": "')
            while size > 0:
                text = next(texts)
                size -= len(text.encode())
                file.write(json.dumps(text, ensure_ascii=False)[1:-1])
            file.write('"}\n')
