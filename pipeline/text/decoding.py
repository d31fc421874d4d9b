"""UTF-8 to code points and their properties, for one document of a batch at a time."""

import numpy as np
import numpy.typing as npt

from pipeline.text.kernels import Int, kernel

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint32]
Index = npt.NDArray[np.uint16]
Blocks = npt.NDArray[np.uint32]


@kernel
def width(first: Int) -> int:
    """The bytes of a character, from its first one."""
    if first < 0x80:
        return 1
    if first < 0xE0:
        return 2
    return 3 if first < 0xF0 else 4


@kernel
def character(values: Bytes, at: Int, first: Int) -> Int:
    """The code point of more than one byte that begins at `at`."""
    if first < 0xE0:
        return (first & 0x1F) << 6 | (np.int64(values[at + 1]) & 0x3F)
    if first < 0xF0:
        return (
            (first & 0x0F) << 12
            | (np.int64(values[at + 1]) & 0x3F) << 6
            | (np.int64(values[at + 2]) & 0x3F)
        )
    return (
        (first & 0x07) << 18
        | (np.int64(values[at + 1]) & 0x3F) << 12
        | (np.int64(values[at + 2]) & 0x3F) << 6
        | (np.int64(values[at + 3]) & 0x3F)
    )


@kernel
def decode(
    values: Bytes,
    start: int,
    end: int,
    index: Index,
    blocks: Blocks,
    points: Numbers,
    properties: Numbers,
) -> int:
    """Write each character's code point and properties; how many characters there are."""
    n = 0
    at = start
    while at < end:
        first = np.int64(values[at])
        if first < 0x80:
            points[n] = first
            properties[n] = blocks[0, first]
            at += 1
        else:
            point = character(values, at, first)
            points[n] = point
            properties[n] = blocks[index[point >> 7], point & 127]
            at += width(first)
        n += 1
    return n


@kernel
def longest(offsets: Offsets) -> int:
    """The bytes of the longest document."""
    most = 0
    for document in range(len(offsets) - 1):
        most = max(most, offsets[document + 1] - offsets[document])
    return most


def frozen(
    values: npt.NDArray[np.uint8], offsets: npt.NDArray[np.integer]
) -> tuple[Bytes, Offsets]:
    """The buffers as the kernels are compiled for: read only, offsets of 64 bits."""
    found = np.ascontiguousarray(values).view(), np.ascontiguousarray(offsets, np.int64).view()
    for array in found:
        array.flags.writeable = False
    return found
