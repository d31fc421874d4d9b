"""The jobs that spark-submit starts: each is a part of `winnow run`, by the kind of its work."""

from argparse import Namespace
from collections.abc import Callable, Sequence

from jobs.cli import DONE, WRONG, parser, run, teller
from jobs.console import Console
from schemas.errors import WinnowError


def submit(job: str, words: Sequence[str]) -> int:
    """Run a job on the session that spark-submit gave; `words` are those of `winnow run`.

    Of the jobs, `all` does everything, `ingest` the documents, `select` the mixtures, and
    `annotate`, `dedup` and `rate` the stages of their kind, with those that they read.
    """
    if job == "select":
        return run(["select", *words])
    if job == "all":
        return run(["run", *words])
    if job == "ingest":
        return run(["run", *words, "--until", "ingest"])
    arguments = parser().parse_args(["run", *words])
    try:
        names = _names(job, arguments)
    except WinnowError as error:
        return teller(arguments.log_format)(str(error), WRONG)
    if not names:
        Console(arguments.log_format).say(f"{job}: the configuration has no such stage")
        return DONE
    return run(["run", *words, "--no-ingest", "--only", ",".join(names)])


def _names(job: str, arguments: Namespace) -> list[str]:
    from jobs.configuration import load_configuration
    from jobs.plan import stage_kind

    bound = load_configuration(arguments.config, arguments.set, check_inputs=False)
    return [stage.name for stage in bound.stages if JOBS[job](stage_kind(stage.stage))]


JOBS: dict[str, Callable[[str], bool]] = {
    "annotate": lambda kind: kind == "map",
    "dedup": lambda kind: kind == "relational",
    "rate": lambda kind: kind == "rater",
}
"""Which kinds of stage a job does."""
