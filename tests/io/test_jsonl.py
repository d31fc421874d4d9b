"""JSON lines: every compression, every way to be wrong, every cut."""

import bz2
import gzip
import io
import json
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.io.formats import load_format
from pipeline.io.records import Document, Outcome, ReadOptions, Reject

PACK = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "two members": lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]),
    "bzip2": bz2.compress,
    "zstd": zstandard.compress,
    "two frames": lambda data: zstandard.compress(data[:7]) + zstandard.compress(data[7:]),
}


def read(
    data: bytes, start: int = 0, end: int = -1, skip: int = 0, **options: object
) -> list[Outcome]:
    reader = load_format("jsonl")
    given_ = ReadOptions(**options)  # type: ignore[arg-type]
    return list(reader.records(io.BytesIO(data), "x", start, end, given_, skip))


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
def test_every_compression_gives_the_same(pack: Callable[[bytes], bytes]) -> None:
    data = b'\xef\xbb\xbf{"text": "one", "id": 7}\r\n\n{"text": "two", "n": {"a": 1}}'
    found = read(pack(data), columns={"a": "n.a"}, types={"a": "int"})
    assert [o.text for o in found if isinstance(o, Document)] == ["one", "two"]
    assert [o.source_id for o in found if isinstance(o, Document)] == ["7", None]
    assert isinstance(found[1], Document)
    assert found[1].values == {"a": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "invalid_json"),
        (b"[1]", "not_an_object"),
        (b'{"txt": "a"}', "missing_text"),
        (b'{"text": 5}', "text_not_string"),
        (b'{"text": "\xff"}', "invalid_utf8"),
        (b'{"text": "\\ud800"}', "invalid_unicode"),
        (b'{"text": " \\n"}', "empty"),
        (b'{"text": "' + b"x" * 101 + b'"}', "too_large"),
        (b'{"text": "' + "é".encode() * 51 + b'"}', "too_large"),
        (b'{"text": "' + b"x" * 3_000_000 + b'"}', "too_large"),
        (b"[" * 100_000, "invalid_json"),
    ],
)
def test_a_bad_record_is_one_reject(line: bytes, reason: str) -> None:
    found = read(b'{"text": "a"}\n' + line + b'\n{"text": "b"}', max_document_bytes=100)
    assert [type(o) for o in found] == [Document, Reject, Document]
    assert isinstance(found[1], Reject)
    assert found[1].reason == reason
    assert found[1].offset == 14


def test_a_broken_stream_keeps_what_came_before() -> None:
    data = b"".join(json.dumps({"text": f"{i} " * 50}).encode() + b"\n" for i in range(2000))
    for packed in (gzip.compress(data), zstandard.compress(data)):
        found = read(packed[: len(packed) // 2])
        assert len(found) > 10
        assert isinstance(found[-1], Reject)
        assert found[-1].reason in ("truncated", "invalid_json")
        assert all(isinstance(o, Document) for o in found[:-1])


@given(
    st.lists(st.text(min_size=1, max_size=30).filter(str.strip), max_size=12),
    st.integers(1, 60),
    st.integers(0, 12),
)
def test_ranges_cut_anywhere_give_the_whole(texts: list[str], target: int, skip: int) -> None:
    clean = [t.encode("utf-8", "replace").decode() for t in texts]
    data = "\n".join(json.dumps({"text": t}) for t in clean).encode()
    whole = read(data)
    reader = load_format("jsonl")
    ranges = reader.splits(io.BytesIO(data), "x", len(data), target)
    assert [o for start, end in ranges for o in read(data, start, end)] == whole
    assert read(data, skip=skip) == whole[skip:]
    assert [o.text for o in whole if isinstance(o, Document)] == clean
