"""A source format, as a third party would bring it, whose reader does not survive some lines."""

import sys
import zipfile
from pathlib import Path

import pytest

_MODULE = """
import os, signal, time
from pipeline.io.records import Document, Reject


class Trap:
    name = "trap"
    suffixes = (".trap",)

    def splits(self, file, name, size, target):
        return [(0, -1)]

    def records(self, file, name, start, end, options, skip=0):
        for number, line in enumerate(file):
            if number < skip:
                if line == b"stuck\\n":
                    os.kill(os.getpid(), signal.SIGSEGV)
                continue
            word = line.decode().strip()
            if word in ("crash", "stuck"):
                os.kill(os.getpid(), signal.SIGSEGV)
            elif word == "killed" or word.startswith("once "):
                # As if somebody else had killed the process, always or at the first time alone.
                ledger = word[5:] if word != "killed" else os.devnull
                if word == "killed" or not os.path.exists(ledger):
                    open(ledger, "w").close()
                    os.kill(os.getpid(), signal.SIGKILL)
                yield Document(str(number), number, word)
            elif word == "hang":
                while True:
                    pass
            elif word == "sleep":
                time.sleep(3600)
            elif word == "raise":
                raise RuntimeError("a defect")
            elif word == "reject":
                yield Reject(number, None, "unlucky")
            else:
                yield Document(str(number), number, word)
"""


def install_trap(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the format `trap` known here, and to every Python that is given the archive returned."""
    archive = folder / "trap.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("winnow_trap.py", _MODULE)
        file.writestr("winnow_trap-1.dist-info/METADATA", "Name: winnow-trap\nVersion: 1\n")
        entry = "[winnow.sources]\ntrap = winnow_trap:Trap\n"
        file.writestr("winnow_trap-1.dist-info/entry_points.txt", entry)
    monkeypatch.setattr(sys, "path", [str(archive), *sys.path])
    return archive
