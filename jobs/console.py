"""What a run says of itself: a bar on a terminal, lines elsewhere, JSON on request."""

import json
import sys
import time
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from jobs.figures import RunFigures


MOST_ROWS = 24
"""So many strata are shown; the manifest has all."""


class Console:
    """Progress on standard error, results on standard output."""

    def __init__(self, log_format: str = "text") -> None:
        self._json = log_format == "json"
        self._bar: Bar | None = None
        self._label = ""
        self._tasks = self._size = 0
        self._began = self._told = 0.0

    def log(self, event: str, **figures: object) -> None:
        """One line of the log."""
        if self._json:
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            line = json.dumps({"time": moment, "event": event, **figures}, default=str)
        else:
            told = " ".join(f"{name}={value}" for name, value in figures.items())
            line = f"{time.strftime('%H:%M:%S')} {event} {told}".rstrip()
        print(line, file=sys.stderr, flush=True)

    def start(self, label: str, tasks: int, size: int) -> None:
        """A step of so many tasks and bytes begins."""
        self._label, self._tasks, self._size = label, tasks, size
        self._began = self._told = time.monotonic()
        if self._json or not sys.stderr.isatty():
            self.log(label, tasks=tasks, mb=round(size / 1e6, 1))
            return
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Terminal(stderr=True),
            transient=True,
        )
        self._bar.start()
        self._bar.add_task(label, total=max(size, 1), rate="")

    def advance(self, tasks: int, size: int) -> None:
        """So many tasks and bytes are done in all."""
        spent = max(time.monotonic() - self._began, 1e-3)
        rate = _rate(size / spent)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=size, rate=rate)
        elif time.monotonic() - self._told > 10:
            self._told = time.monotonic()
            left = f"{spent * (self._size - size) / size:.0f}s" if size else "?"
            self.log(self._label, done=f"{tasks}/{self._tasks}", rate=rate, left=left)

    def finish(self) -> None:
        """The step has ended, well or not."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table on standard output; as JSON, one object a row."""
        if self._json:
            for row in rows:
                print(
                    json.dumps({"table": title, **dict(zip(head, row, strict=True))}, default=str)
                )
            return
        cells = [[_cell(value) for value in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        print(f"\n{title}")
        for line in ([*head], *cells):
            padded = [
                text.ljust(width) if index == 0 else text.rjust(width)
                for index, (text, width) in enumerate(zip(line, widths, strict=True))
            ]
            print("  " + "  ".join(padded).rstrip())

    def say(self, text: str) -> None:
        """A line on standard output, left out where that is JSON."""
        if not self._json:
            print(text)

    def outlook(self, steps: Sequence[Mapping[str, object]], as_json: bool) -> None:
        """What a run would do."""
        if as_json:
            print(json.dumps(list(steps)))
            return
        head = ("step", "files", "parts", "documents", "bytes")
        rows = [[step.get(name) for name in head] for step in steps]
        self.table("to do", head, rows)
        rated = [
            _forecast(str(step["step"]), cast("Mapping[str, Any]", step["rating"]))
            for step in steps
            if "rating" in step
        ]
        if rated:
            names = ("stage", "documents", "tokens", "hours", "GPU hours", "from a sample of")
            self.table("to rate, by one worker like this machine", names, rated)

    def run_summary(
        self, workspace: str, figures: "RunFigures", examples: Sequence[str] = ()
    ) -> None:
        """What a run did, what its ratings mean by examples, and what to look at next."""
        sources = figures.ingest.sources.values()
        self.table(
            "sources",
            ("source", "files", "records", "documents", "passed over", "rejects", "MB text"),
            [
                (
                    s.source,
                    s.files,
                    s.records,
                    s.documents,
                    s.passed_over.total(),
                    s.rejects.total(),
                    round(s.bytes / 1e6, 2),
                )
                for s in sources
            ],
        )
        for s in sources:
            if s.segments:
                self.say(f"\n{s.source}: {told_segments(s.segments)}")
        size = sum(s.bytes for s in sources) / 1e6
        self.table(
            "stages",
            ("stage", "documents", "measured", "skipped", "failed", "new rows", "seconds", "MB/s"),
            [
                ("ingest", None, None, None, None, *self._ingested(figures)),
                *(
                    (
                        s.name,
                        s.documents,
                        s.measured,
                        s.skipped,
                        s.failed,
                        s.computed,
                        round(s.seconds, 1),
                        round(size / s.seconds, 1) if s.computed and s.seconds > 0.05 else None,
                    )
                    for s in figures.stages
                ),
            ],
        )
        for stage in figures.stages:
            for remark, count in stage.remarks.items():
                self.say(f"\n{stage.name}: {count:,} documents {remark}")
        for mixture in figures.mixtures:
            self.mixture(mixture.name, mixture.manifest, mixture.made)
        if examples:
            self.say("\nwhat the overall score means: documents at each, and how they begin")
        for example in examples:
            self.say(f"  {example}")
        self.say(
            f"\ndone in {figures.seconds:.1f} s, Spark's start {figures.spark_seconds:.1f} s of it"
        )
        for mixture in figures.mixtures:
            self.say(f"look at   {workspace}/mixtures/{mixture.name}/README.md")
            self.say(f"check it  winnow verify {workspace}/mixtures/{mixture.name}")
        self.say(f"read some winnow sample {workspace} --by COLUMN -n 20")

    def _ingested(self, figures: "RunFigures") -> tuple[int, float, float | None]:
        """New documents, seconds, and MB of raw input a second."""
        read = figures.ingest
        rate = read.new_bytes / 1e6 / read.seconds if read.new_files and read.seconds else None
        return read.new_documents, round(read.seconds, 1), rate and round(rate, 1)

    def mixture(self, name: str, manifest: "Any", made: bool | None) -> None:
        """A mixture's funnel and strata; `made` is None where it is only planned."""
        self.table(
            f"mixture {name}: from records to rows",
            ("step", "documents", "tokens"),
            [(s["step"], s["documents"], s["tokens"]) for s in manifest["funnel"]],
        )
        from pipeline.select.plan import stratum_label

        unit = manifest["config"].get("budget_unit", "tokens")
        names = ("wanted", "available", "achieved", "achieved_documents")
        self.table(
            f"mixture {name}: strata, in {unit}",
            ("stratum", "wanted", "available", "achieved", "documents"),
            [
                [stratum_label(cut["stratum"]), *(cut[n] for n in names)]
                for cut in manifest["strata"][:MOST_ROWS]
            ],
        )
        if (more := len(manifest["strata"]) - MOST_ROWS) > 0:
            self.say(f"  and {more:,} more: manifest.json")
        if made is None:
            documents = sum(cut["achieved_documents"] for cut in manifest["strata"])
            achieved = sum(cut["achieved"] for cut in manifest["strata"])
            self.say(f"\nmixture {name} would hold {documents:,} documents, {achieved:,} {unit}")
            return
        totals = manifest["totals"]
        self.say(
            f"\nmixture {name}: {totals['documents']:,} documents, {totals['tokens']:,} tokens, "
            f"{len(manifest['shards'])} shard{'s' * (len(manifest['shards']) != 1)}"
            + ("" if made else " (unchanged)")
        )


def told_segments(counts: Mapping[str, int]) -> str:
    """How many segments a source's documents were cut into, and what was dropped."""
    told = f"{counts['parents']:,} documents cut into {counts['segments']:,} segments"
    if not counts["dropped_bytes"]:
        return told
    return (
        f"{told}; {counts['dropped_remainders']:,} remainders dropped, "
        f"{counts['dropped_tokens']:,} tokens in {counts['dropped_bytes']:,} bytes"
    )


def _forecast(stage: str, found: Mapping[str, Any]) -> tuple[object, ...]:
    """A row of what there is to rate."""
    documents = f"{'up to ' * found['bound']}{found['documents']:,}"
    hours = None if found["seconds"] is None else f"{found['seconds'] / 3600:.4f}"
    devices = None if found["gpu_hours"] is None else f"{found['gpu_hours']:.4f}"
    sampled = found["note"] or found["sampled"] or None
    return (stage, documents, found["tokens"], hours, devices, sampled)


def _rate(speed: float) -> str:
    """Bytes a second, in a unit in which they are no 0.0."""
    if not speed:
        return "?"
    return f"{speed / 1e6:.1f} MB/s" if speed >= 1e5 else f"{speed / 1e3:.1f} kB/s"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return printable(str(value))


def printable(text: str) -> str:
    """A text in which no control character can reach the terminal."""
    return "".join(c if unicodedata.category(c)[0] != "C" else "\ufffd" for c in text)


def first_words(text: str, length: int = 160) -> str:
    """The beginning of a text, on one line."""
    return printable(" ".join(text[: 4 * length].split())[:length])


def shown(value: object) -> str:
    """A column's value, short and as expressions write it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.4g}" if isinstance(value, float) else first_words(str(value), 100)
