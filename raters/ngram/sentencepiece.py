"""Models of SentencePiece (Kudo and Richardson 2018), read from their files."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pipeline.text.charsmap import LONGEST_RULE, SPACE
from pipeline.text.unigram import Pieces, make_pieces

_UNIGRAM = 1
_NORMAL, _UNKNOWN, _CONTROL, _, _UNUSED = range(1, 6)


@dataclass(frozen=True)
class PieceModel:
    """What a file of SentencePiece's says."""

    pieces: tuple[tuple[str, float, int], ...]
    """Piece, log probability, and kind."""
    kind: int
    charsmap: bytes
    """How characters are normalised, compiled; none where they are left alone."""
    prefix: bool
    """Whether a text is read as if a space stood before it."""
    strips: bool
    """Whether runs of spaces are one, and those at both ends none."""
    suffixes: bool
    """Whether a space is the end of a piece and not the beginning."""


def read_model(path: Path) -> PieceModel:
    """A file of SentencePiece's; ValueError where it is none."""
    content = path.read_bytes()
    try:
        return _parse(content)
    except (IndexError, struct.error, UnicodeDecodeError, TypeError, ValueError):
        raise ValueError(f"{path} is no whole model of SentencePiece's") from None


def _parse(content: bytes) -> PieceModel:
    pieces: list[tuple[str, float, int]] = []
    trained: dict[int, int | bytes] = {}
    normal: dict[int, int | bytes] = {}
    for field, value in _fields(content):
        if field == 1:
            told = dict(_fields(_bytes(value)))
            score = struct.unpack("<f", _bytes(told.get(2, bytes(4))))[0]
            pieces.append((_bytes(told[1]).decode(), score, _int(told.get(3, _NORMAL))))
        elif field == 2:
            trained = dict(_fields(_bytes(value)))
        elif field == 3:
            normal = dict(_fields(_bytes(value)))
    if not pieces:
        raise ValueError
    return PieceModel(
        pieces=tuple(pieces),
        kind=_int(trained.get(3, _UNIGRAM)),
        charsmap=_bytes(normal.get(2, b"")),
        prefix=bool(_int(normal.get(3, 1))),
        strips=bool(_int(normal.get(4, 1))),
        suffixes=bool(_int(trained.get(24, 0))),
    )


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError
    return value


def _int(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise TypeError
    return value


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message of Protocol Buffers: numbers, or bytes."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(content, at)
            yield key >> 3, value
            continue
        if wire == 2:
            size, at = _varint(content, at)
        else:
            size = {1: 8, 5: 4}[wire] if wire in (1, 5) else len(content)
        if at + size > len(content):
            raise ValueError
        yield key >> 3, content[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


@lru_cache(maxsize=4)
def load_pieces(path: str) -> Pieces:
    """The model as kernels use it; ValueError where they can't cut words as SentencePiece does."""
    model = read_model(Path(path))
    normal = {piece: score for piece, score, kind in model.pieces if kind == _NORMAL}
    kinds = {kind for _, _, kind in model.pieces} - {_NORMAL, _UNKNOWN, _CONTROL, _UNUSED}
    across = SPACE not in normal or any(SPACE in piece[1:] for piece in normal)
    if model.kind != _UNIGRAM or model.suffixes or across or kinds:
        raise ValueError(
            f"{path} is a model of SentencePiece, but none of its kind unigram whose pieces have "
            "spaces only at their beginning, and no bytes or symbols of a user's: give it as a "
            "tokenizer.json"
        )
    begin = int.from_bytes(model.charsmap[:4], "little") + 4
    if any(len(rule) > LONGEST_RULE for rule in model.charsmap[begin:].split(b"\0")):
        raise ValueError(f"{path} turns a character into more than {LONGEST_RULE} bytes")
    least = min(normal.values())
    return make_pieces(list(normal.items()), model.charsmap, model.prefix, model.strips, least)
