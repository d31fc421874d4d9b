"""Texts as the buffers that kernels read."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.text import signals
from pipeline.text.characters import properties
from pipeline.text.decoding import decode
from pipeline.text.words import find_words


def buffers(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """The UTF-8 of all texts, and where each begins and the last ends."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return np.frombuffer(b"".join(encoded), np.uint8), ends


def kernel_words(text: str) -> list[str]:
    """The words that the kernel finds, checked to have equal hashes where they are equal."""
    values, ends = buffers([text])
    known, size = properties(), len(values) + 1
    points, kinds = np.empty(size, np.uint32), np.empty(size, np.uint32)
    starts, stops = np.empty(size, np.int64), np.empty(size, np.int64)
    hashes = np.empty(size, np.uint64)
    n = decode(values, 0, int(ends[1]), known.index, known.blocks, points, kinds)
    assert "".join(map(chr, points[:n])) == text
    count = find_words(points, kinds, n, starts, stops, hashes)
    found = [text[a:b] for a, b in zip(starts[:count], stops[:count], strict=True)]
    pairs = set(zip(found, hashes[:count].tolist(), strict=True))
    assert len(pairs) == len(set(found)) == len({value for _, value in pairs})
    return found


def measure(text: str) -> dict[str, int | float | bool | None]:
    """What the kernel measures in a text, null where it divides by nothing."""
    found = signals.measure(*buffers([text]))
    return {
        name: None if column.is_null is not None and column.is_null[0] else column.values[0].item()
        for name, column in found.items()
    }
