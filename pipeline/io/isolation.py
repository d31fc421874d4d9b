"""Reading in a process of its own, so that a record that its reader does not survive is found."""

import contextlib
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.io.inputs import Unit
from pipeline.io.reading import read_unit
from pipeline.io.records import Outcome, ReadOptions, Reject
from schemas.errors import WinnowError

MOST_IN_A_ROW = 10
"""After so many lost records without another between them the rest of a range is given up."""

_START = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from pipeline.io.isolation import serve; serve()"
)


@dataclass(frozen=True)
class _End:
    """How a child says that it is through: `failure` is an error of the work, not of a record."""

    failure: str | None = None
    defect: str | None = None


def read_isolated(
    unit: Unit, options: ReadOptions, skip: int, share: float = 1.0
) -> Iterator[Outcome]:
    """As `read_unit`, but a record that crashes or hangs its reader becomes a reject."""
    lost, killed = 0, -1
    while True:
        end: _End | None = None
        with _child(unit, options, skip, share) as child:
            for answer in _answers(child):
                if isinstance(answer, _End):
                    end = answer
                    break
                yield answer
                skip, lost = skip + 1, 0
        if end is not None and end.failure is not None:
            raise WinnowError(end.failure)
        if end is not None and end.defect is None:
            return
        if child.returncode == -signal.SIGKILL and skip != killed:
            # Somebody may have killed it, whatever it read: the record is not judged by one death.
            killed = skip
            continue
        lost += 1
        yield _culprit(unit, skip, end, child.returncode, lost == MOST_IN_A_ROW)
        if lost == MOST_IN_A_ROW:
            return
        skip += 1


def _culprit(unit: Unit, skip: int, end: _End | None, code: int, last: bool) -> Reject:
    hangs = code == -signal.SIGALRM
    how = (end and end.defect) or ("it takes too long" if hangs else f"exit status {code}")
    where = f"record {skip + 1} of the range that begins at {unit.start}: {how}"
    rest = "; so are those before it, and the rest of the range is given up" if last else ""
    return Reject(-1, None, "timeout" if hangs else "crashed", f"{where}{rest}"[:200])


@contextlib.contextmanager
def _child(
    unit: Unit, options: ReadOptions, skip: int, share: float
) -> "Iterator[subprocess.Popen[bytes]]":
    command = [sys.executable, "-c", _START]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        try:
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(pickle.dumps(sys.path))
                child.stdin.write(pickle.dumps((unit, options, skip, share)))
                child.stdin.close()
            yield child
        except BaseException:
            child.kill()
            raise


def _answers(child: "subprocess.Popen[bytes]") -> Iterator[Outcome | _End]:
    """What the child says until it is through or dead."""
    assert child.stdout
    while True:
        try:
            yield pickle.load(child.stdout)  # noqa: S301
        except (EOFError, pickle.UnpicklingError):
            return


def serve() -> None:
    """The child: outcomes out, each before the next record is looked at, and then how it ended."""
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    unit, options, skip, share = pickle.load(sys.stdin.buffer)  # noqa: S301
    end = _End()
    try:
        for outcome in read_unit(unit, options, skip, share):
            answers.write(pickle.dumps(outcome))
            answers.flush()
    except WinnowError as error:
        end = _End(failure=str(error))
    except Exception as error:
        end = _End(defect=f"{type(error).__name__}: {error}")
    answers.write(pickle.dumps(end))
    answers.flush()
