"""What a failure of Spark's comes down to, in one line."""

import re
from collections.abc import Iterator, Sequence

from pipeline.io.shipped import PACKAGES

SHIP = (
    "ship the package with --py-files winnow_curation-VERSION-py3-none-any.whl, or a whole "
    "environment with --archives"
)
_LACKS = re.compile(
    "(ModuleNotFoundError: No module named|AttributeError: Can't get attribute .* on <module) "
    rf"'({'|'.join(PACKAGES)})\b"
)


def reason(error: BaseException) -> str:
    """The last line of a Python worker's error, or else the innermost cause that Spark names."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if told := list(_python_errors(lines)):
        return _lacking(told[-1]) or told[-1]
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


def _lacking(told: str) -> str | None:
    """That an executor, which came after all were looked at, lacks the package or has another."""
    if not _LACKS.search(told):
        return None
    return f"an executor lacks Winnow, or has an old one ({told}); {SHIP}"
