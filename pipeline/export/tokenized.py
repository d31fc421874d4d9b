"""Texts as token ids, exactly those that were counted."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.export.formats import Scratch
from pipeline.io.store import Store
from pipeline.io.tokenizer import bites, load_tokenizer, tokenizer_file
from schemas.errors import WinnowError

END_TOKENS = (
    "<|endoftext|>",
    "<|end_of_text|>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "</s>",
    "<eos>",
    "<|eod|>",
    "[EOS]",
)
"""What tokenizers call the token after a document, where nobody says."""


@dataclass(frozen=True)
class Vocabulary:
    """A mixture's tokenizer, as the formats that hold token ids use it."""

    tokenizer: str
    """Its file, its directory, or `shipped`."""
    eod: int | None
    """The id that follows every document; None where nothing does."""
    size: int

    def encode(self, batch: pa.RecordBatch) -> Iterator[list[int]]:
        """The ids of each text; WinnowError where they are not as many as were counted."""
        tokenizer = load_tokenizer(self.tokenizer)
        counted = iter(batch.column("n_tokens").to_pylist())
        names = iter(batch.column("id").to_pylist())
        end = [] if self.eod is None else [self.eod]
        for texts in bites(batch.column("text").to_pylist()):
            for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False):
                ids, wanted, name = encoding.ids, next(counted), next(names)
                if len(ids) != wanted:
                    raise WinnowError(
                        f"document {name} has {len(ids)} tokens, but {wanted} were counted: the"
                        " tokenizer is not the one that the stage `tokens` used"
                    )
                yield ids + end


def open_vocabulary(tokenizer: str, eod: bool, eod_token: str | None) -> Vocabulary:
    """The vocabulary of a tokenizer; ValueError where no token ends documents but one should."""
    content = json.loads(Path(tokenizer_file(tokenizer)).read_text(encoding="utf-8"))
    size = load_tokenizer(tokenizer).get_vocab_size(with_added_tokens=True)
    largest = max(load_tokenizer(tokenizer).get_vocab(with_added_tokens=True).values())
    added = {token["content"]: int(token["id"]) for token in content.get("added_tokens") or ()}
    end = _end(tokenizer, added, eod_token) if eod else None
    return Vocabulary(tokenizer, end, max(size, largest + 1))


def _end(tokenizer: str, added: dict[str, int], named: str | None) -> int:
    known = [token for token in END_TOKENS if token in added]
    beside = Path(tokenizer_file(tokenizer)).with_name("tokenizer_config.json")
    if named is None and beside.is_file():
        told = json.loads(beside.read_text(encoding="utf-8")).get("eos_token")
        named = told.get("content") if isinstance(told, dict) else told
    if named is None and len(known) == 1:
        named = known[0]
    if named is None:
        raise ValueError(
            "the tokenizer does not say which of its tokens ends a document; name it as"
            f" `eod_token` ({', '.join(added) or 'it has no added tokens'}), or write"
            " `eod: false`"
        )
    if named not in added:
        raise ValueError(f"the tokenizer has no added token {named!r}")
    return added[named]


Index = Callable[[npt.NDArray[np.int64]], Mapping[str, bytes]]
"""From the number of ids of each document, the files by suffix that tell where documents end."""


class TokenWriter:
    """Writes the ids of documents one after another, and then an index of them."""

    def __init__(
        self, scratch: Scratch, vocabulary: Vocabulary, kind: str, suffix: str, index: Index
    ) -> None:
        self._scratch, self._vocabulary, self._index = scratch, vocabulary, index
        self._kind, self._suffix = np.dtype(kind), suffix
        self._files = {suffix: scratch()}
        self._file = self._files[suffix].open("wb")
        self._lengths: list[int] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take in more rows."""
        for ids in self._vocabulary.encode(batch):
            self._file.write(np.array(ids, self._kind).tobytes())
            self._lengths.append(len(ids))

    def finish(self) -> Mapping[str, Path]:
        """The file of ids, and its index."""
        self._file.close()
        for suffix, content in self._index(np.array(self._lengths, np.int64)).items():
            self._files[suffix] = self._scratch()
            self._files[suffix].write_bytes(content)
        return self._files

    def close(self) -> None:
        """Delete what was not moved away."""
        self._file.close()
        for path in self._files.values():
            path.unlink(missing_ok=True)


def read_tokens(
    store: Store, path: str, kind: str, lengths: npt.NDArray[np.int64], first: int, rows: int
) -> Iterator[pa.RecordBatch]:
    """`input_ids` of the documents from `first` on, given how many ids each has."""
    size = np.dtype(kind).itemsize
    with store.open(path) as file:
        if file.size() != int(lengths.sum()) * size:
            raise WinnowError(f"{path}: its index is not that of this file")
        file.seek(int(lengths[:first].sum()) * size)
        for start in range(first, len(lengths), rows):
            part = lengths[start : start + rows]
            ids = np.frombuffer(file.read(int(part.sum()) * size), kind)
            ends = np.concatenate([[0], np.cumsum(part)])
            documents = pa.LargeListArray.from_arrays(ends, pa.array(ids))
            yield pa.RecordBatch.from_arrays([documents], ["input_ids"])
