"""A column of texts as the kernels of pipeline.text read it."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def utf8(
    texts: pa.Array,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.integer]]:
    """The UTF-8 of all texts, and where in it each begins and the last ends; nothing is copied."""
    _, offsets, values = texts.buffers()
    if offsets is None or not len(texts):
        return np.empty(0, np.uint8), np.zeros(1, np.int32)
    ends: npt.NDArray[np.integer]
    if pa.types.is_large_string(texts.type):
        ends = np.frombuffer(offsets, np.int64)
    else:
        ends = np.frombuffer(offsets, np.int32)
    here = ends[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(values or b"", np.uint8), here
