"""Compressed streams: whole, in pieces, and broken at any place."""

import bz2
import gzip
import io
import os

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from support.formats import PACK

from pipeline.io.formats.compression import broken, decompressed, is_plain

CONTENT = os.urandom(300) + b"plain words " * 50_000 + os.urandom(70_000)


@pytest.mark.parametrize("name", PACK)
def test_every_compression_gives_the_content(name: str) -> None:
    packed = io.BytesIO(PACK[name](CONTENT))
    assert is_plain(packed) == (name == "plain")
    assert decompressed(packed).read() == CONTENT
    assert b"".join(decompressed(packed)) == CONTENT


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zstandard.compress])
@pytest.mark.parametrize("left_out", [1, 4, 1000])
def test_a_stream_that_is_cut_off_is_told_from_its_end(pack: object, left_out: int) -> None:
    assert callable(pack)
    with pytest.raises(broken()):
        decompressed(io.BytesIO(pack(CONTENT)[:-left_out])).read()


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_what_follows_a_stream_and_is_none_breaks_it(pack: object) -> None:
    assert callable(pack)
    with pytest.raises(broken()):
        decompressed(io.BytesIO(pack(b"words") + b"garbage")).read()


@given(st.binary(max_size=40))
def test_any_bytes_are_content_or_broken(data: bytes) -> None:
    for head in (b"", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh9", b"\x5d\x2a\x4d\x18", b"\x50\x2a"):
        try:
            decompressed(io.BytesIO(head + data)).read()
        except broken():
            continue


@pytest.mark.parametrize("packed", [True, False])
def test_a_dictionary_in_the_first_frame_is_used(packed: bool) -> None:
    samples: list[bytes | bytearray | memoryview[int]] = [
        b"<html><title>page %d</title><body>the same words" % i for i in range(3000)
    ]
    dictionary = zstandard.train_dictionary(4096, samples)
    frames = zstandard.ZstdCompressor(dict_data=dictionary)
    held = dictionary.as_bytes()
    held = zstandard.compress(held) if packed else held
    first = b"\x5d\x2a\x4d\x18" + len(held).to_bytes(4, "little") + held
    file = first + b"".join(frames.compress(page) for page in samples[:50])
    assert decompressed(io.BytesIO(file)).read() == b"".join(samples[:50])
    with pytest.raises(broken()):
        decompressed(io.BytesIO(file[len(first) :])).read()


def test_a_window_as_large_as_the_format_allows_is_read() -> None:
    settings = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    frames = zstandard.ZstdCompressor(compression_params=settings).compressobj()
    packed = frames.compress(CONTENT) + frames.flush()
    assert decompressed(io.BytesIO(packed)).read() == CONTENT


def test_a_bomb_is_read_as_it_swells() -> None:
    size = 1 << 28
    frame = zstandard.ZstdCompressor().compressobj()
    packed = b"".join(frame.compress(b"\0" * (1 << 24)) for _ in range(16)) + frame.flush()
    stream = decompressed(io.BytesIO(packed))
    assert len(stream.read(1000)) == 1000
    length = 1000
    while chunk := stream.read(1 << 24):
        length += len(chunk)
    assert length == size
