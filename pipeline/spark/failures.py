"""What a failure of Spark's comes down to, in one line."""

import re
from collections.abc import Iterator, Sequence

from pipeline.io.shipped import PACKAGES

SHIP = (
    "ship the package with --py-files winnow_curation-VERSION-py3-none-any.whl, or a whole "
    "environment with --archives"
)
_LACKS = re.compile(rf"ModuleNotFoundError: No module named '({'|'.join(PACKAGES)})\b")
_HOST = re.compile(r"\(TID \d+\) \((\S+) executor ")


def reason(error: BaseException) -> str:
    """The last line of a Python worker's error, or else the innermost cause that Spark names."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if told := list(_python_errors(lines)):
        return _lacking(told[-1], lines) or told[-1]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    failures = [line.partition("most recent failure: ")[2] for line in lines]
    thrown = [line.removeprefix(": ") for line in lines if line.startswith(": ")]
    told = [*lines[:1], *thrown, *filter(None, failures), *causes]
    return told[-1] if told else type(error).__name__


def _python_errors(lines: Sequence[str]) -> Iterator[str]:
    inside = False
    for line in lines:
        if line.startswith("Traceback (most recent call last)"):
            inside = True
        elif line.startswith(("at ", "Driver stacktrace")):
            inside = False
        elif inside and ": " in line and not line.startswith(("File ", "^")):
            yield line.partition("WinnowError: ")[2] or line


def _lacking(told: str, lines: Sequence[str]) -> str | None:
    """That an executor, which came after all were looked at, lacks the package."""
    if not _LACKS.search(told):
        return None
    hosts = [found[1] for line in lines if (found := _HOST.search(line))]
    return f"executor{f' on {hosts[-1]}' if hosts else ''}: it lacks Winnow ({told}); {SHIP}"
