"""Every format gives back what was written, however the rows came in."""

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from support.mixtures import cut, rows, shard_of_rows
from tokenizers import Tokenizer

from pipeline.export.formats import Format
from pipeline.export.json_lines import JsonLines
from pipeline.export.mds import Mds
from pipeline.export.megatron import Megatron
from pipeline.export.parquet_rows import HuggingFace, ParquetRows
from pipeline.export.samples import STRATUM, read_samples
from pipeline.export.token_files import TokenFiles
from pipeline.export.tokenized import Vocabulary, open_vocabulary
from pipeline.io.store import open_store
from pipeline.io.tokenizer import SHIPPED, load_tokenizer
from schemas.errors import WinnowError

VOCABULARY = open_vocabulary("shipped", True, None)
WIDE = Vocabulary("shipped", VOCABULARY.eod, 70_000)
FORMATS: dict[str, Format] = {
    "parquet": ParquetRows(),
    "huggingface": HuggingFace(),
    "jsonl": JsonLines(),
    "mds": Mds(),
    "megatron": Megatron(VOCABULARY),
    "megatron wide": Megatron(WIDE),
    "megatron without ends": Megatron(open_vocabulary("shipped", False, None)),
    "olmo_core": TokenFiles(VOCABULARY, "olmo_core", "shipped"),
    "datatrove": TokenFiles(WIDE, "datatrove", "shipped"),
}
by_format = pytest.mark.parametrize("name", FORMATS)
TEXTS = [
    "The river rose in the night.",
    "",
    "<|endoftext|> is how a document ends, they say: <|endoftext|>",
    '二つの文書 \x00 \u2028 👩\u200d👧 "quoted" \\ back\nslash\r\n',
    *(f"Document {number} is about barley and chaff. " * number for number in range(60)),
]


@by_format
def test_what_is_read_is_what_was_written(tmp_path: Path, name: str) -> None:
    store, form, batch = open_store(str(tmp_path)), FORMATS[name], rows(TEXTS)
    shard = shard_of_rows(store, form, [batch])
    inside = open_store(str(tmp_path / "m"))
    for first in (0, 1, 37, len(TEXTS) - 1):
        found = pa.Table.from_batches(read_samples(inside, form, shard, ["source"], first, 7))
        wanted = batch.slice(first)
        for column in ("id", "source", "copy", "n_tokens"):
            assert found[column].to_pylist() == wanted[column].to_pylist()
        assert found[STRATUM].to_pylist() == wanted["winnow.stratum"].to_pylist()
        if "text" in found.column_names:
            assert found["text"].to_pylist() == TEXTS[first:]
        else:
            assert found["input_ids"].to_pylist() == expected_ids(form, TEXTS[first:])


def expected_ids(form: Format, texts: list[str]) -> list[list[int]]:
    """The tokenizer's own ids, special tokens taken apart, and what ends a document."""
    tokenizer = Tokenizer.from_file(str(SHIPPED))
    tokenizer.encode_special_tokens = True
    end = form.to_json()["eod"]
    ends = [] if end is None else [end]
    return [tokenizer.encode(text, add_special_tokens=False).ids + ends for text in texts]


@by_format
def test_the_files_do_not_depend_on_how_rows_come_in(tmp_path: Path, name: str) -> None:
    form, batch = FORMATS[name], rows(TEXTS)
    for place, batches in (("a", [batch]), ("b", list(cut(batch, 7)))):
        shard_of_rows(open_store(str(tmp_path / place)), form, batches)
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / place / "m").iterdir()}
        for place in "ab"
    )
    assert one == other
    assert len(one) == 1 + form.traced + {"megatron": 1, "tokens": 1}.get(form.name, 0) + (
        name == "datatrove"
    )
    assert not list((tmp_path / "a/_tmp").iterdir())


def test_a_file_of_ids_leads_from_each_sample_to_its_document(tmp_path: Path) -> None:
    batch = rows(TEXTS)
    shard = shard_of_rows(open_store(str(tmp_path)), Mds(), [batch])
    (beside,) = shard.beside
    table = pq.read_table(tmp_path / "m" / beside.path)
    assert beside.path == shard.path.replace(".mds", ".ids.parquet")
    assert table.column_names[:6] == ["position", "id", "source", "domain", "n_tokens", "copy"]
    assert table["position"].to_pylist() == list(range(len(TEXTS)))
    assert table["id"].to_pylist() == batch["id"].to_pylist()
    assert set(table["domain"].to_pylist()) == {"A"}


def test_a_document_with_other_tokens_than_counted_is_refused(tmp_path: Path) -> None:
    batch = rows(TEXTS)
    at = batch.schema.get_field_index("n_tokens")
    counts = [number + 1 for number in batch["n_tokens"].to_pylist()]
    batch = batch.set_column(at, batch.schema.field(at), pa.array(counts, pa.int64()))
    with pytest.raises(WinnowError, match="the tokenizer is not the one"):
        shard_of_rows(open_store(str(tmp_path)), Megatron(VOCABULARY), [batch])
    assert not list(tmp_path.rglob("*.bin"))
    assert not list((tmp_path / "_tmp").iterdir())


@pytest.mark.parametrize("name", ["megatron", "megatron wide", "megatron without ends"])
def test_megatrons_index_by_its_definition(tmp_path: Path, name: str) -> None:
    """Read field by field with `struct`: nothing here is what wrote it."""
    form = FORMATS[name]
    shard_of_rows(open_store(str(tmp_path)), form, [rows(TEXTS)])
    (index,), (data,) = (tmp_path / "m").glob("*.idx"), (tmp_path / "m").glob("*.bin")
    assert index.stem == data.stem
    content, numbers = index.read_bytes(), data.read_bytes()
    assert content[:9] == b"MMIDIDX\0\0"
    version, code, sequences, documents = struct.unpack("<QBQQ", content[9:34])
    letter, size = {8: ("H", 2), 4: ("i", 4)}[code]
    assert (version, size) == (1, 4 if name == "megatron wide" else 2)
    assert (sequences, documents) == (len(TEXTS), len(TEXTS) + 1)
    lengths = struct.unpack(f"<{sequences}i", content[34 : 34 + 4 * sequences])
    place = 34 + 4 * sequences
    pointers = struct.unpack(f"<{sequences}q", content[place : place + 8 * sequences])
    bounds = struct.unpack(f"<{documents}q", content[place + 8 * sequences :])
    assert bounds == tuple(range(documents))
    found = [
        list(struct.unpack_from(f"<{length}{letter}", numbers, pointer))
        for pointer, length in zip(pointers, lengths, strict=True)
    ]
    assert found == expected_ids(form, TEXTS)
    assert len(numbers) == size * sum(lengths)


def test_olmo_cores_files_are_flat(tmp_path: Path) -> None:
    form = FORMATS["olmo_core"]
    shard_of_rows(open_store(str(tmp_path)), form, [rows(TEXTS)])
    (data,), (ranges,) = (tmp_path / "m").glob("*.npy"), (tmp_path / "m").glob("*.csv.gz")
    ids = np.memmap(data, np.uint16, "r")
    wanted = expected_ids(form, TEXTS)
    assert ids.tolist() == [token for document in wanted for token in document]
    lines = gzip.decompress(ranges.read_bytes()).decode().splitlines()
    bounds = [tuple(map(int, line.split(","))) for line in lines]
    assert [ids[begin:end].tolist() for begin, end in bounds] == wanted
    # A document ends at each end token and nowhere else, as OLMo-core finds them.
    assert (np.flatnonzero(ids == VOCABULARY.eod) + 1).tolist() == [end for _, end in bounds]


def test_datatroves_index_has_the_end_of_every_document(tmp_path: Path) -> None:
    form = FORMATS["datatrove"]
    shard_of_rows(open_store(str(tmp_path)), form, [rows(TEXTS)])
    (data,) = (tmp_path / "m").glob("*.ds")
    ids = np.fromfile(data, np.uint32)
    ends = np.fromfile(f"{data}.index", np.uint64).tolist()
    wanted = expected_ids(form, TEXTS)
    assert [part.tolist() for part in np.split(ids, ends[:-1])] == wanted
    name, total, _ = Path(f"{data}.metadata").read_text().split("\n")
    assert (name, int(total)) == ("shipped|4", len(ids))


def test_jsonl_is_one_frame_with_a_line_for_each_document(tmp_path: Path) -> None:
    shard_of_rows(open_store(str(tmp_path)), JsonLines(), [rows(TEXTS)])
    (path,) = (tmp_path / "m").glob("*.jsonl.zst")
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        lines = stream.read().split(b"\n")
    assert [json.loads(line)["text"] for line in lines[:-1]] == TEXTS
    assert lines[-1] == b""


def test_ids_of_added_tokens_are_the_tokenizers_own(tmp_path: Path) -> None:
    content = json.loads(SHIPPED.read_text())
    plain = content["added_tokens"][0]
    size = len(content["model"]["vocab"])
    content["added_tokens"] += [
        {**plain, "id": size, "content": "<|im_start|>"},
        {**plain, "id": size + 1, "content": "<tool>", "special": False},
    ]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    vocabulary = open_vocabulary(str(tmp_path), True, "<|im_start|>")
    assert (vocabulary.eod, vocabulary.size) == (size, size + 2)
    text = "use <tool> not <|im_start|>"
    counted = len(load_tokenizer(str(tmp_path)).encode(text, add_special_tokens=False))
    batch = pa.record_batch({"id": ["a"], "text": [text], "n_tokens": [counted]})
    (ids,) = vocabulary.encode(batch)
    own = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    before = own.encode("use ", add_special_tokens=False).ids
    assert ids[: len(before) + 1] == [*before, size + 1]
    assert (ids.count(size), ids[-1]) == (1, size)


def test_a_unigram_model_does_not_find_special_tokens_in_a_text(tmp_path: Path) -> None:
    from tokenizers import models

    pieces = [("<unk>", 0.0), ("</s>", 0.0), *((letter, -9.0) for letter in "</s>ab")]
    tokenizer = Tokenizer(models.Unigram(pieces, 0))
    tokenizer.add_special_tokens(["<unk>", "</s>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    vocabulary = open_vocabulary(str(tmp_path), True, None)
    batch = pa.record_batch({"id": ["a"], "text": ["a</s>b"], "n_tokens": [6]})
    (ids,) = vocabulary.encode(batch)
    assert vocabulary.eod == 1
    assert ids.count(1) == 1
    assert ids[-1] == 1


@pytest.mark.parametrize(
    ("named", "config", "message"),
    [
        ("<nope>", None, "no added token '<nope>'"),
        (None, {"eos_token": "<nope>"}, "no added token"),
        (None, None, "does not say which"),
    ],
)
def test_what_ends_a_document_must_be_known(
    tmp_path: Path, named: str | None, config: object, message: str
) -> None:
    content = json.loads(SHIPPED.read_text())
    content["added_tokens"][0]["content"] = "<|fin|>"
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    if config is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        open_vocabulary(str(tmp_path), True, named)
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": {"content": "<|fin|>"}}')
    assert open_vocabulary(str(tmp_path), True, None).eod == 0
