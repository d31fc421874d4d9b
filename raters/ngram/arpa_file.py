"""ARPA files: read once on a machine, then mapped by every process that scores with them."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.text import arpa
from pipeline.text.backoff import UNKNOWN, NgramModel, find, hash_bytes
from pipeline.text.kernels import Int, cache_folder, warm
from schemas.errors import WinnowError

_COUNT = re.compile(rb"ngram\s+(\d+)\s*=\s*(\d+)$")
_UNSEEN = -100.0
"""log10 p of unknown words where the model has no <unk>, as in KenLM."""
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_ARRAYS = ("words", "ngrams", "unigrams")
_LAYOUT = 1
"""Goes up when what is kept of a file has another form."""

_WRONG: Mapping[int, str] = {
    arpa.CUT: "the file ends in the middle; it was not copied whole",
    arpa.NUMBER: "there is no decimal number where a log10 probability or a backoff weight belongs",
    arpa.POSITIVE: "a log10 probability is more than 0",
    arpa.FIELDS: "a line of another form than: log10 probability, {order} words, backoff weight",
    arpa.FOREIGN: "a word of an n-gram is not in \\1-grams:",
    arpa.REPEATED: "an n-gram is there twice",
    arpa.ENDED: "\\{order}-grams: ends before the {count} entries that \\data\\ tells of",
}


class ArpaError(WinnowError):
    """A file that is no whole ARPA file; says where and what."""


@dataclass(frozen=True)
class _Section:
    order: int
    count: int


def read_arpa(path: str | os.PathLike[str]) -> NgramModel:
    """The model in an ARPA file; ArpaError, with the line, where it is not one from end to end."""
    data = _map(Path(path))
    counts, at = _read_head(path, data)
    words, unigrams = _tables(counts[0])
    at = _enter(path, data, at, 1)
    code, place = arpa.read_words(data, at, counts[0], words, unigrams, len(counts) == 1)
    at = int(place)
    if code == arpa.FULL:
        raise ArpaError(f"{path}: \\1-grams: has no <unk> and as many words as \\data\\ tells of")
    _require(path, data, code, at, _Section(1, counts[0]))
    ngrams = np.zeros((int(1.5 * sum(counts[1:])) + 256, 2), np.uint64)
    while not _fill(path, data, at, counts, words, ngrams):
        ngrams = np.zeros((2 * len(ngrams), 2), np.uint64)
    begin, end = (_special(path, words, name) for name in (b"<s>", b"</s>"))
    return NgramModel(len(counts), begin, end, words, ngrams, unigrams)


def _map(path: Path) -> npt.NDArray[np.uint8]:
    with path.open("rb") as file:
        head = file.read(6)
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            raise ArpaError(f"{path}: is compressed ({name}): decompress it first")
    if not head:
        raise ArpaError(f"{path}: is empty")
    return np.asarray(np.memmap(path, np.uint8, "r"))


def _tables(count: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float32]]:
    unigrams = np.zeros((count + 1, 2), np.float32)
    unigrams[UNKNOWN, 0] = _UNSEEN
    return np.zeros((2 * count + 16, 2), np.uint64), unigrams


def _read_head(path: object, data: npt.NDArray[np.uint8]) -> tuple[list[int], int]:
    """How many n-grams of each order there are, and where the sections begin."""
    at = 0
    counts: list[int] = []
    begun = False
    while at < len(data):
        line, after = _line(data, at)
        found = _COUNT.match(line)
        if begun and found:
            counts.append(int(found[2]))
            if int(found[1]) != len(counts):
                raise _error(path, data, at, "\\data\\ leaves out an order")
        elif begun and line:
            break
        elif line == b"\\data\\":
            begun = True
        elif line and not begun:
            raise _error(path, data, at, "this is no ARPA file, which begins with \\data\\")
        at = after
    least = sum(count * (2 * order + 2) for order, count in enumerate(counts, 1))
    if not counts or counts[0] < 2:
        raise _error(path, data, at, "\\data\\ tells of no n-grams")
    if least > len(data):
        raise ArpaError(
            f"{path}: \\data\\ tells of more n-grams than the file has room for: "
            "it was not copied whole"
        )
    return counts, at


def _line(data: npt.NDArray[np.uint8], at: int) -> tuple[bytes, int]:
    """A line of the frame, stripped, and where the next begins; none is longer than 4 KiB."""
    some = data[at : at + 4096].tobytes()
    line, mark, _ = some.partition(b"\n")
    return line.strip(), at + len(line) + len(mark)


def _enter(path: object, data: npt.NDArray[np.uint8], at: int, order: int) -> int:
    """Where the first entry of a section stands."""
    wanted = b"\\end\\" if order == 0 else b"\\%d-grams:" % order
    while at < len(data):
        line, after = _line(data, at)
        if line == wanted:
            return after
        if line:
            break
        at = after
    if at >= len(data):
        raise _error(path, data, at, _WRONG[arpa.CUT])
    raise _error(path, data, at, f"{wanted.decode()} should stand here")


def _fill(
    path: object,
    data: npt.NDArray[np.uint8],
    at: int,
    counts: list[int],
    words: npt.NDArray[np.uint64],
    ngrams: npt.NDArray[np.uint64],
) -> bool:
    """Read the sections of longer n-grams; False where the table is too small."""
    taken: Int = 0
    for order, count in enumerate(counts[1:], 2):
        at = _enter(path, data, at, order)
        code, place, taken = arpa.read_ngrams(
            data, at, count, order, words, ngrams, taken, order == len(counts)
        )
        at = int(place)
        if code == arpa.FULL:
            return False
        _require(path, data, code, at, _Section(order, count))
    _enter(path, data, at, 0)
    return True


def _require(
    path: object, data: npt.NDArray[np.uint8], code: int, at: int, section: _Section
) -> None:
    if code != arpa.FINE:
        told = _WRONG[code].format(order=section.order, count=f"{section.count:,}")
        raise _error(path, data, at, told)


def _error(path: object, data: npt.NDArray[np.uint8], at: int, told: str) -> ArpaError:
    step = 1 << 24
    before = sum(
        int(np.count_nonzero(data[start : min(start + step, at)] == 10))
        for start in range(0, at, step)
    )
    return ArpaError(f"{path}: line {before + 1}: {told}")


def _special(path: object, words: npt.NDArray[np.uint64], name: bytes) -> int:
    key = np.uint64(hash_bytes(np.frombuffer(name, np.uint8), 0, len(name)))
    place = find(words, key)
    if place < 0:
        raise ArpaError(f"{path}: \\1-grams: has no {name.decode()}, so no sentence can be scored")
    return int(words[place, 1])


@lru_cache(maxsize=4)
def load_arpa(path: str) -> NgramModel:
    """The model in an ARPA file, from this machine's cache; it is read where it is not there yet.

    A file is known by its path, size and time; all processes map the same memory.
    """
    told = os.stat(path)
    name = f"{_LAYOUT} {os.path.realpath(path)} {told.st_size} {told.st_mtime_ns} {told.st_ino}"
    folder = cache_folder() / "ngrams" / hashlib.sha256(name.encode()).hexdigest()[:24]
    if not folder.exists():
        warm(f"ngrams {folder}", lambda: None if folder.exists() else _keep(path, folder))
    return _mapped(folder) if folder.exists() else read_arpa(path)


def _keep(path: str, folder: Path) -> None:
    model = read_arpa(path)
    try:
        folder.parent.mkdir(exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent))
    except OSError:
        return
    try:
        for name in _ARRAYS:
            np.save(aside / f"{name}.npy", getattr(model, name))
        told = {"order": model.order, "begin": model.begin, "end": model.end}
        (aside / "model.json").write_text(json.dumps(told))
        aside.rename(folder)
    except OSError:
        # No room, or another process was quicker: then the model is read, or mapped, from there.
        shutil.rmtree(aside, ignore_errors=True)


def _mapped(folder: Path) -> NgramModel:
    told = json.loads((folder / "model.json").read_text())
    arrays = [np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in _ARRAYS]
    return NgramModel(told["order"], told["begin"], told["end"], *arrays)
