import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from jobs.cli import parser

GOLDEN = Path(__file__).parents[1] / "golden" / "cli.json"


def arguments(command: argparse.ArgumentParser) -> list[str]:
    """How each argument of a command is written."""
    return [
        " ".join([*action.option_strings, *([str(action.metavar)] if action.metavar else [])])
        for action in command._actions
    ]


def test_the_command_line_is_what_users_know(request: pytest.FixtureRequest) -> None:
    (commands,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    told = {name: arguments(command) for name, command in commands.choices.items()}
    found = json.dumps(told, indent=1) + "\n"
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


def test_every_command_is_there() -> None:
    (commands,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    modules = {path.stem for path in (ROOT / "jobs/commands").glob("[a-z]*.py")}
    assert modules == {name.replace("-", "_") for name in commands.choices}


def test_a_terminal_without_the_characters_is_no_reason_to_fail(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "jobs", "verify", str(tmp_path / "\u732b")]
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, env=environment, cwd=ROOT)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"has no manifest.json" in done.stderr
