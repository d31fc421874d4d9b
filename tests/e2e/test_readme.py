"""Console blocks of README and tour are what their commands print, one after the other."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

PAGES = [ROOT / "README.md", ROOT / "docs/tour.md"]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
VARYING = re.compile(r"\b\d+\.\d\b|^  (?:documents|columns) +\d+ +[\d,]+$", re.M)
"""Times, and the sizes of folders in which paths or fingerprints, of libraries too, are packed."""


def printed(command: str, folder: Path) -> str:
    """What a shell prints for a command line, with the folder's path cut short."""
    script = f'set -o pipefail; winnow() {{ "{sys.executable}" -m jobs "$@"; }}; {command}'
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
        timeout=300,
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout.replace(f"{folder}/", "").strip("\n") + "\n"


def comparable(block: str) -> str:
    """A block without what differs from run to run, and the spaces that it needs."""
    return re.sub(r" +", " ", VARYING.sub("#", block))


@pytest.mark.slow
def test_the_readme_shows_what_is_printed(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=lambda *_: ["work"])
    for page in PAGES:
        text = page.read_text()
        blocks = BLOCK.findall(text)
        assert blocks
        found = []
        for block in blocks:
            commands = [line for line in block.splitlines() if line.startswith("$ ")]
            found.append("".join(f"{line}\n{printed(line[2:], tmp_path)}" for line in commands))
        if pytestconfig.getoption("update_golden"):
            for old, new in zip(blocks, found, strict=True):
                text = text.replace(f"```console\n{old}```", f"```console\n{new}```", 1)
            page.write_text(text)
        else:
            assert [comparable(block) for block in found] == [comparable(b) for b in blocks]
