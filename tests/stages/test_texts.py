"""Texts as kernels read them, of any kind of array of strings."""

import itertools

import pyarrow as pa
import pytest

from pipeline.stages.texts import utf8


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_the_bytes_between_two_offsets_are_a_text(kind: pa.DataType) -> None:
    texts = ["one", "", "zwölf", "漢字"]
    for start, length in ((0, 4), (1, 2), (3, 1), (2, 0)):
        values, offsets = utf8(pa.array(texts, kind).slice(start, length))
        found = [bytes(values[a:b]).decode() for a, b in itertools.pairwise(offsets)]
        assert found == texts[start : start + length]
    for empty in ([], [""]):
        values, offsets = utf8(pa.array(empty, kind))
        assert (len(values), len(offsets)) == (0, len(empty) + 1)
