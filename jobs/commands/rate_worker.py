"""`winnow rate-worker`: rate slices of the open rater stages beside Spark, until there are none."""

import argparse
import json
import signal
import time
from dataclasses import asdict
from types import FrameType

from jobs.configuration import BoundConfiguration, load_configuration
from jobs.console import Console
from jobs.shift import Rated, Shift, StoppedError
from pipeline.io.store import open_store, probe
from pipeline.io.workspace import Workspace
from schemas.errors import WinnowError

GRACE = 20
"""Seconds that a slice in hand may still take when the worker is told to stop."""

EVERY = 10.0
"""Seconds between two lines of progress."""


def rate_worker(arguments: argparse.Namespace) -> int:
    """Rate until nothing is left, or until told to stop, which is no failure."""
    from jobs.plan import planned_stages

    bound = load_configuration(arguments.config, arguments.set, check_inputs=False)
    store = open_store(bound.workspace)
    workspace = Workspace(store)
    workspace.check()
    if not workspace.documents():
        raise WinnowError(f"there are no documents yet; begin with: winnow run {bound.path}")
    probe(store)
    console, stop = Console(arguments.log_format), _Stop()
    shift = Shift(workspace, _Teller(console), stop.asked)
    stopped = False
    with stop:
        try:
            shift.run(planned_stages(bound), arguments.stage)
        except StoppedError:
            stopped = True
    if not stopped and not shift.figures:
        raise WinnowError(_first(bound, shift.waiting))
    if arguments.json:
        told = {"stopped": stopped, "stages": [asdict(rated) for rated in shift.figures]}
        print(json.dumps({**told, "waiting": shift.waiting}))
    else:
        _summarise(console, bound, shift, stopped)
    return 0


def _first(bound: BoundConfiguration, waiting: dict[str, str]) -> str:
    name, before = next(iter(waiting.items()))
    return (
        f"stage {name} can't be rated yet: the stage {before}, which it needs, is not in force; "
        f"measure first: winnow run {bound.path} --until {before}"
    )


def _summarise(console: Console, bound: BoundConfiguration, shift: Shift, stopped: bool) -> None:
    for rated in shift.figures:
        told = f"{rated.stage}: rated {rated.computed:,} documents in {rated.slices:,} slices"
        if rated.tokens:
            told += f", {rated.tokens:,} tokens"
        if rated.doubled:
            told += f"; {rated.doubled:,} of them another worker had rated too"
        console.say(told + ("" if rated.in_force else f"; {rated.left:,} documents are left"))
    if stopped:
        console.say(f"stopped; go on with: winnow rate-worker {bound.path}")
        return
    if shift.waiting:
        console.say(_first(bound, shift.waiting))
    else:
        console.say(f"nothing is left to rate; go on with: winnow run {bound.path}")


class _Teller:
    """Lines of progress: the first slice's, then one now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = float("-inf")

    def __call__(self, rated: Rated) -> None:
        now = time.monotonic()
        if now - self._told < EVERY:
            return
        self._told = now
        seconds = max(rated.seconds, 1e-3)
        left = "?" if rated.eta is None else f"{rated.eta:.0f}s"
        figures = {
            "done": f"{rated.done}/{rated.documents}",
            "documents/s": f"{rated.computed / seconds:.1f}",
            "tokens/s": f"{rated.tokens / seconds:.0f}",
            "left": left,
        }
        self._console.log(f"rate {rated.stage}", **figures)


class _Stop:
    """SIGTERM and SIGINT: the slice in hand is finished, or dropped when that takes too long.

    A second signal drops it at once. What is committed stays; what is dropped is anybody's.
    """

    def __init__(self) -> None:
        self._asked = False

    def asked(self) -> bool:
        """Whether the worker is to stop."""
        return self._asked

    def __enter__(self) -> "_Stop":
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, self._answer)
        return self

    def __exit__(self, *_: object) -> None:
        """Signals end the process again."""
        signal.alarm(0)
        for number in (signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def _answer(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise StoppedError("stopped")
        self._asked = True
        signal.alarm(GRACE)
