"""The outcomes of one range of one file: hangs end, and a failing disk is no bad record."""

import io
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

import xxhash

from pipeline.io.formats import load_format
from pipeline.io.identity import document_id
from pipeline.io.inputs import InputFile, Unit, open_input
from pipeline.io.records import Document, Outcome, PassedOver, ReadOptions
from pipeline.io.segments import segmented
from schemas.errors import WinnowError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def read_unit(unit: Unit, options: ReadOptions, skip: int, share: float = 1.0) -> Iterator[Outcome]:
    """The outcomes after the first `skip`; of the documents a share, by a hash of their ids.

    Where the reader works longer than `options.record_seconds` without asking for more of the
    file or giving an outcome, SIGALRM ends this process: nothing else ends a C extension.
    """
    alarm = _Alarm(options.record_seconds)
    with _opened(unit.file.location, alarm) as stream:
        outcomes = load_format(unit.file.format).records(
            stream, unit.file.path, unit.start, unit.end, options, skip
        )
        if share < 1:
            outcomes = _sampled(outcomes, unit.file, share)
        if options.segment is not None:
            outcomes = segmented(outcomes, options.segment)
        while True:
            with alarm:
                outcome = next(outcomes, None)
            if outcome is None:
                return
            yield outcome


def _sampled(outcomes: Iterator[Outcome], file: InputFile, share: float) -> Iterator[Outcome]:
    """In place of a document outside the sample, that it is passed over."""
    for outcome in outcomes:
        if isinstance(outcome, Document):
            place = xxhash.xxh3_64_intdigest(document_id(file, outcome).encode())
            if place >= share * 2**64:
                outcome = PassedOver("not sampled")
        yield outcome


class _Alarm:
    """Set while a reader works, off while it waits for the file and while others work."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _opened(location: str, alarm: _Alarm) -> BinaryIO:
    try:
        return cast("BinaryIO", io.BufferedReader(_Input(location, alarm), 1 << 20))
    except OSError as error:
        raise WinnowError(
            f"{location} can't be read ({error.strerror or error}); "
            "restore it, or take it out of the source's path"
        ) from error


class _Input(io.RawIOBase):
    """A file whose failures are no OSError, which readers take for damaged content."""

    def __init__(self, location: str, alarm: _Alarm) -> None:
        self._location, self._alarm = location, alarm
        self._file = open_input(location)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        self._alarm.__exit__()
        try:
            data = self._file.read(len(view))
        except Exception as error:
            raise WinnowError(f"{self._location} can't be read any further ({error})") from error
        finally:
            self._alarm.__enter__()
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
