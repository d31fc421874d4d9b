"""The recipe of the shipped language model: what it trains on, and that it can be repeated."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from raters.training.lm import Recipe, Training, pack, train, train_tokenizer
from raters.training.lm_corpus import EXCLUDED, MAX_BYTES, choose, held_out

TINY = Recipe(
    vocabulary=300, context=32, width=16, layers=1, heads=1, inner=32, steps=120, warmup=10
)


def records(collection: str, licence: str, count: int, text: str = "text") -> Iterator[bytes]:
    for number in range(count):
        record = {
            "id": f"{collection}-{number}",
            "text": f"Number {number} of {collection}: {text}.",
            "source": collection,
            "license": licence,
            "lang": "en",
        }
        yield json.dumps(record).encode() + b"\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl.gz"
    lines = [
        *records("books", "CC-BY-4.0", 300, "the cat sat on the mat and the dog sat on the cat"),
        *records("journals", "CC-BY-NC-4.0", 50),
        *records("letters", "", 50),
        *(line for name in EXCLUDED for line in records(name, "CC0-1.0", 5)),
    ]
    path.write_bytes(gzip.compress(b"".join(lines)))
    return path


def test_only_rows_of_a_free_licence_that_are_not_excluded_are_chosen(data: Path) -> None:
    training, validation = choose([data])
    assert {row.collection for row in training + validation} == {"books"}
    assert len(training) + len(validation) == 300
    assert not {row.text for row in training} & {row.text for row in validation}
    assert [row.text for row in validation] == [
        row.text for row in validation if held_out(row.text)
    ]
    assert 3 <= len(validation) <= 35


def test_the_order_of_files_and_copies_do_not_matter(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    lines = gzip.decompress(data.read_bytes()).splitlines(keepends=True)
    copy.write_bytes(b"".join(lines[::-1]))
    assert choose([data]) == choose([data, copy]) == choose([copy])


def test_no_collection_outweighs_the_others(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"".join(records("books", "CC0-1.0", 20, "word " * 20_000)))
    taken = sum(len(row.text) for rows in choose([path]) for row in rows)
    assert MAX_BYTES <= taken < MAX_BYTES + 110_000


def test_sequences_begin_with_the_first_token_and_hold_every_other_once(data: Path) -> None:
    rows, _ = choose([data])
    tokenizer = train_tokenizer(rows, TINY)
    packed = pack(rows, tokenizer, TINY)
    assert set(packed[:, 0].tolist()) == {0}
    stream = [token for row in packed.tolist() for token in row[1:]]
    expected = [token for row in rows for token in (0, *tokenizer.encode(row.text).ids)]
    assert stream == expected[: len(stream)]
    assert len(expected) - len(stream) < TINY.context


def test_an_interrupted_training_gives_the_same_model(data: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train([data], whole, TINY)
    broken.mkdir()
    rows, _ = choose([data])
    for step in Training(TINY, broken).run(pack(rows, train_tokenizer(rows, TINY), TINY)):
        if step == 70:
            break
    train([data], broken, TINY)
    names = ("model.safetensors", "config.json", "tokenizer.json", "README.md")
    for name in names:
        assert (whole / name).read_bytes() == (broken / name).read_bytes(), name
    told = (whole / "README.md").read_text()
    assert re.search(r"^\| CC-BY-4.0 \| 2\d\d \| [\d,]+ \|$", told, re.M)
    assert re.search(r"^\| books \| 2\d\d \| [\d,]+ \|$", told, re.M)
    assert TINY.digest() in told


def test_training_lowers_the_loss(data: Path, tmp_path: Path) -> None:
    rows, _ = choose([data])
    training = Training(TINY, tmp_path)
    for _ in training.run(pack(rows, train_tokenizer(rows, TINY), TINY)):
        pass
    assert training.losses[-1] < training.losses[0] - 1


def test_the_learning_rate_rises_stays_and_falls() -> None:
    recipe = Recipe()
    rates = [recipe.rate(step) for step in range(recipe.steps)]
    assert max(rates) == recipe.learning_rate
    assert rates[: recipe.warmup] == sorted(rates[: recipe.warmup])
    last = round(recipe.steps * (1 - recipe.decay))
    assert set(rates[recipe.warmup : last]) == {recipe.learning_rate}
    assert rates[last:] == sorted(rates[last:], reverse=True)
    assert rates[-1] < 0.01 * recipe.learning_rate
