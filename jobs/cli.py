"""The command line. Commands are imported when they run, so that help answers at once."""

import argparse
import difflib
import importlib
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

from schemas.errors import ConfigurationError, WinnowError, redacted

DONE, FAILED, WRONG, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


class _TerminatedError(KeyboardInterrupt):
    """Whoever watches over the process asks it to end: it is left as an interrupt is."""


class _Parser(argparse.ArgumentParser):
    """argparse, with the nearest name for one that is not there."""

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        names = [option for action in self._actions for option in action.option_strings]
        names += [str(c) for action in self._actions for c in action.choices or ()]
        for word in sys.argv[1:]:
            near = difflib.get_close_matches(word.partition("=")[0], names, 1, 0.6)
            if near and near[0] != word and word in message:
                message += f"; did you mean {near[0]}?"
                break
        words = " ".join(sys.argv[1:])
        log_format = "json" if re.search(r"--log-format[ =]json\b", words) else "text"
        teller(log_format)(f"{message} (see {self.prog} --help)", WRONG)
        self.exit(WRONG)


def _share(text: str) -> float:
    """A share: above 0, at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: above 0 and at most 1")
    return value


def parser() -> argparse.ArgumentParser:
    """All commands and their arguments."""
    top = _Parser(prog="winnow", description="From a raw corpus to a mixture that a trainer loads.")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--log-format", choices=("text", "json"), default="text")
        return command

    def config(command: argparse.ArgumentParser) -> None:
        command.add_argument("config", metavar="CONFIG", help="the configuration file")
        command.add_argument("--set", action="append", default=[], metavar="a.b=c")
        command.add_argument("--master", metavar="URL", help="Spark's master")
        command.add_argument("--json", action="store_true", help="print JSON")

    init = add("init", "write a commented corpus.yaml to start from")
    init.add_argument("directory", metavar="DIR")
    run_ = add("run", "ingest, measure, select and write what is not done yet")
    config(run_)
    run_.add_argument("--until", metavar="STAGE", help="stop after this stage")
    run_.add_argument("--only", metavar="STAGE", help="this stage (or a,b), and what it reads")
    run_.add_argument(
        "--sample",
        type=_share,
        default=None,
        metavar="SHARE",
        help="a trial with this share of the documents and budgets, in WORKSPACE-sample",
    )
    run_.add_argument("--dry-run", action="store_true", help="say what there is to do")
    run_.add_argument(
        "--calibrate",
        action="store_true",
        help="with --dry-run --json too, rate some documents to say how long rating takes",
    )
    run_.add_argument(
        "--no-ingest",
        action="store_true",
        help="work on the documents that are there; the sources are not looked at",
    )
    run_.add_argument(
        "--accept-changes",
        action="store_true",
        help="go on with the documents as ingested where an input has changed or is gone",
    )
    run_.add_argument(
        "--reingest",
        action="store_true",
        help="read all inputs anew, in place of the documents that are there",
    )
    select = add("select", "redo a selection")
    config(select)
    select.add_argument("--mixture", metavar="NAME")
    select.add_argument("--dry-run", action="store_true", help="achieved against wanted tokens")
    status = add("status", "what is done, what is stale, counts, rejects, sizes")
    status.add_argument("place", metavar="CONFIG|WORKSPACE")
    status.add_argument("--json", action="store_true", help="print JSON")
    table = add("table", "columns, joined, as one file")
    table.add_argument("workspace", metavar="WORKSPACE")
    table.add_argument("--columns", metavar="a,b,c")
    table.add_argument("--where", metavar="EXPR")
    table.add_argument("-o", "--output", required=True, metavar="FILE.parquet|.csv|.jsonl")
    sample = add("sample", "documents at each level or quantile of a column")
    sample.add_argument("workspace", metavar="WORKSPACE")
    sample.add_argument("--by", required=True, metavar="COLUMN")
    sample.add_argument("-n", type=int, default=20, metavar="N")
    explain = add("explain", "why a document is in a mixture, or not")
    explain.add_argument("workspace", metavar="WORKSPACE")
    explain.add_argument("id", metavar="ID", help="a document's id, or the beginning of it")
    verify = add("verify", "check everything that a manifest says")
    verify.add_argument("mixture", metavar="MIXTURE")
    verify.add_argument("--workspace", metavar="W", help="check the documents against it too")
    diff = add("diff", "what entered and left from one mixture to another")
    diff.add_argument("first", metavar="MIXTURE")
    diff.add_argument("second", metavar="MIXTURE")
    diff.add_argument("--workspace", metavar="W", help="has the columns; else where each lies")
    diff.add_argument("--json", action="store_true", help="print JSON")
    check = add("rater-check", "rate some documents, and say whether the rater is fit")
    check.add_argument("config", metavar="CONFIG", help="the configuration file")
    check.add_argument("--set", action="append", default=[], metavar="a.b=c")
    check.add_argument("--stage", metavar="NAME", help="the stage, where there are several")
    check.add_argument("-n", type=int, default=100, metavar="N", help="documents (default 100)")
    check.add_argument("--json", action="store_true", help="print JSON")
    worker = add("rate-worker", "rate slices of the open rater stages until there are none")
    worker.add_argument("config", metavar="CONFIG", help="the configuration file")
    worker.add_argument("--set", action="append", default=[], metavar="a.b=c")
    worker.add_argument("--stage", metavar="NAME", help="this rater stage only")
    worker.add_argument("--json", action="store_true", help="print JSON")
    clean = add("clean", "delete what no index names any more")
    clean.add_argument("workspace", metavar="WORKSPACE")
    clean.add_argument("--dry-run", action="store_true", help="say what would go")
    clean.add_argument(
        "--all", action="store_true", help="what is younger than an hour, and open slices, too"
    )
    return top


def run(words: Sequence[str]) -> int:
    """Run one command; the exit status. No traceback for what a user can cause."""
    arguments = parser().parse_args(words)
    tell = teller(arguments.log_format)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)
    try:
        name = arguments.command.replace("-", "_")
        module = importlib.import_module(f"jobs.commands.{name}")
        return int(getattr(module, name)(arguments))
    except ConfigurationError as error:
        return tell(str(error), WRONG)
    except WinnowError as error:
        return tell(str(error), FAILED)
    except _TerminatedError:
        return tell("terminated; the same command goes on from here", TERMINATED)
    except KeyboardInterrupt:
        return tell("interrupted; the same command goes on from here", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        return tell(f"{named}{error.strerror or error}", FAILED)


def _end(number: int, frame: FrameType | None) -> None:
    raise _TerminatedError


def teller(log_format: str) -> Callable[[str, int], int]:
    """What tells of an error as the rest of the log is told, and gives the exit status back."""

    def tell(message: str, status: int) -> int:
        if log_format == "json":
            from jobs.console import Console

            Console(log_format).log("error", message=redacted(message), status=status)
        else:
            print(f"winnow: {redacted(message)}", file=sys.stderr)
        return status

    return tell
