"""Texts as an n-gram model reads them where words are not what stands between spaces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.io.tokenizer import BITE, bites, load_tokenizer
from pipeline.text.decoding import Bytes, Offsets, frozen
from pipeline.text.unigram import Pieces, cut
from raters.ngram.sentencepiece import load_pieces

if TYPE_CHECKING:
    from tokenizers import Tokenizer


_BLANK = " \t\n\r\v\f"
"""What stands between words, as KenLM cuts them."""


class Cutter(Protocol):
    """Cuts texts into pieces."""

    def cut(self, values: Bytes, offsets: Offsets, by_line: bool) -> tuple[Bytes, Offsets]:
        """The same texts with a space between pieces; lines stay lines where `by_line`."""
        ...

    def names(self) -> Sequence[str]:
        """All pieces that there are."""
        ...


@lru_cache(maxsize=4)
def load_cutter(path: str) -> Cutter:
    """By a model of SentencePiece's (NAME.model), a tokenizer.json, or a directory with one."""
    if path.endswith(".model"):
        return _SentencePiece(load_pieces(path))
    return _Tokenizer(load_tokenizer(path))


@dataclass(frozen=True)
class _SentencePiece:
    pieces: Pieces

    def cut(self, values: Bytes, offsets: Offsets, by_line: bool) -> tuple[Bytes, Offsets]:
        return cut(self.pieces, values, offsets, by_line)

    def names(self) -> Sequence[str]:
        return self.pieces.names


@dataclass(frozen=True)
class _Tokenizer:
    tokenizer: "Tokenizer"

    def cut(self, values: Bytes, offsets: Offsets, by_line: bool) -> tuple[Bytes, Offsets]:
        texts = list(sentences(values, offsets, by_line))
        encoded = self._encode([line for lines in texts for line in lines])
        found = ["\n".join(islice(encoded, len(lines))).encode() for lines in texts]
        ends = np.cumsum([0, *map(len, found)], dtype=np.int64)
        return frozen(np.frombuffer(b"".join(found), np.uint8), ends)

    def names(self) -> Sequence[str]:
        return list(self.tokenizer.get_vocab())

    def _encode(self, lines: Sequence[str]) -> Iterator[str]:
        """Each line's pieces; those of a long line come in several runs."""
        runs = [list(_runs(line)) for line in lines]
        encoded = (
            " ".join(encoding.tokens)
            for some in bites([run for line in runs for run in line])
            for encoding in self.tokenizer.encode_batch(some, add_special_tokens=False)
        )
        for line in runs:
            yield " ".join(islice(encoded, len(line)))


def sentences(values: Bytes, offsets: Offsets, by_line: bool) -> Iterator[list[str]]:
    """Of each text the lines that hold a word, or the text as one."""
    for row in range(len(offsets) - 1):
        text = values[offsets[row] : offsets[row + 1]].tobytes().decode()
        yield [line for line in (text.split("\n") if by_line else [text]) if line.strip(_BLANK)]


def _runs(line: str) -> Iterator[str]:
    """A long line is cut before a space, which begins a piece in any usual tokenizer."""
    start = 0
    while len(line) - start > BITE:
        # Without a space in so many characters the cut is where it is.
        found = line.rfind(" ", start + BITE // 2, start + BITE)
        end = found if found >= 0 else start + BITE
        yield line[start:end]
        start = end
    yield line[start:]
