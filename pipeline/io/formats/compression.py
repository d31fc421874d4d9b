"""Decompression as a stream, with the break where a file is damaged told apart from its end."""

import bz2
import gzip
import io
import struct
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from zstandard import ZstdDecompressionObj, ZstdDecompressor

_GZIP, _BZIP2, _ZSTD = b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd"
_DICTIONARY = b"\x5d\x2a\x4d\x18"
_LARGEST_WINDOW = 1 << 31
_LARGEST_DICTIONARY = 1 << 27
# A block of 4 bytes can stand for 128 KiB: so much input at once gives 256 MiB at the most.
_INPUT = 1 << 13


def broken() -> tuple[type[Exception], ...]:
    """Every error that a damaged compressed stream can raise."""
    import zstandard

    return (EOFError, OSError, zlib.error, zstandard.ZstdError)


def decompressed(file: BinaryIO) -> BinaryIO:
    """The content of a file that may be compressed by gzip, zstd or bzip2, whatever its name."""
    head = _head(file)
    if head.startswith(_GZIP):
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if head.startswith(_BZIP2):
        return cast("BinaryIO", bz2.BZ2File(file))
    if is_zstd(head):
        return unzstd(file)
    return file


def is_zstd(head: bytes) -> bool:
    """Whether a zstd stream can begin so: with a frame, or with one that is to be skipped."""
    return head.startswith(_ZSTD) or (head[1:4] == _DICTIONARY[1:] and 0x50 <= head[0] <= 0x5F)


def is_plain(file: BinaryIO) -> bool:
    """Whether a file is not compressed, so that it can be read from the middle."""
    head = _head(file)
    return not (head.startswith((_GZIP, _BZIP2)) or is_zstd(head))


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    return head


def unzstd(file: BinaryIO) -> BinaryIO:
    """The content of a zstd stream of any number of frames."""
    return cast("BinaryIO", io.BufferedReader(_Zstd(file), 1 << 20))


class _Zstd(io.RawIOBase):
    """Frame after frame; zstandard's own reader takes a frame that is cut off for a whole one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decompressor: ZstdDecompressor | None = None
        self._frame: ZstdDecompressionObj | None = None
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        while not self._ready and self._fill():
            pass
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _fill(self) -> bool:
        """Make more content ready; False at the end of the file."""
        if self._decompressor is None:
            self._decompressor = _decompressor(self._file)
        data = b""
        if self._frame is not None and self._frame.eof:
            data, self._frame = self._frame.unused_data, None
        data = data or self._file.read(_INPUT)
        if not data:
            if self._frame is not None:
                raise EOFError("the file ends within a zstd frame")
            return False
        if self._frame is None:
            self._frame = self._decompressor.decompressobj()
        self._ready = memoryview(self._frame.decompress(data))
        return True


def _decompressor(file: BinaryIO) -> "ZstdDecompressor":
    """With the dictionary that a web archive's first frame may hold (iipc, WARC-Zstandard 1.0)."""
    import zstandard

    head = file.read(8)
    if len(head) < 8 or not head.startswith(_DICTIONARY):
        file.seek(0)
        return zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    (size,) = struct.unpack("<I", head[4:])
    content = file.read(min(size, _LARGEST_DICTIONARY))
    if len(content) < size:
        raise EOFError("the file ends within its dictionary, or that is too large")
    if content.startswith(_ZSTD):
        content = zstandard.ZstdDecompressor().decompress(
            content, max_output_size=_LARGEST_DICTIONARY
        )
    dictionary = zstandard.ZstdCompressionDict(content)
    return zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=_LARGEST_WINDOW)
