"""Decompression as a stream, with the break where a file is damaged told apart from its end."""

import bz2
import gzip
import io
import zlib
from typing import BinaryIO, cast

BROKEN = (EOFError, OSError, zlib.error, gzip.BadGzipFile)
"""What reading a damaged stream raises, whatever its compression (zstandard's errors: `broken`)."""


def broken() -> tuple[type[Exception], ...]:
    """Every error that a damaged compressed stream can raise."""
    import zstandard

    return (*BROKEN, zstandard.ZstdError)


def decompressed(file: BinaryIO) -> BinaryIO:
    """The content of a file that may be compressed by gzip, zstd or bzip2, whatever its name."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    if head[:2] == b"\x1f\x8b":
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if head == b"\x28\xb5\x2f\xfd" or (head[1:] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F):
        import zstandard

        reader = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(
            file, read_across_frames=True, closefd=False
        )
        return cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", reader), 1 << 20))
    if head[:3] == b"BZh":
        return cast("BinaryIO", bz2.BZ2File(file))
    return file


def is_plain(file: BinaryIO) -> bool:
    """Whether a file is not compressed, so that it can be read from the middle."""
    plain = decompressed(file) is file
    file.seek(0)
    return plain
