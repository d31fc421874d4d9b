"""`winnow rater-check`: whether a rater's model is willing to answer in the form asked of it."""

import argparse
import heapq
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from jobs.columns import WorkspaceColumns, open_columns
from jobs.configuration import BoundConfiguration, load_configuration
from jobs.console import Console, first_words
from jobs.settings import nearest
from pipeline.io.store import open_store
from pipeline.select.draws import draws
from raters.generative.ratings import LOW_MASS, Rated
from raters.generative.stages import Generative
from schemas.errors import ConfigurationError, WinnowError

LOOKED_AT = 64 << 20
"""The documents are chosen from the first parts that hold so many bytes of text."""

SHOWN = 5
"""So many documents with the least mass are shown."""


@dataclass(frozen=True)
class Check:
    """What came of the documents that were rated."""

    stage: str
    statuses: dict[str, int]
    truncated: int
    mass: float | None
    """The median over the documents; None where none was rated."""
    decisions: dict[str, tuple[float, float]]
    """By decision, the median and the lowest mass."""
    lowest: list[tuple[float, str, str]]
    """Mass, id and first words of the documents with the least mass."""

    @property
    def fit(self) -> bool:
        """Whether the rater can be used."""
        return self.mass is not None and self.mass >= LOW_MASS


def rater_check(arguments: argparse.Namespace) -> int:
    """Rate some documents; 1 where the model was forced into the form of its replies."""
    if arguments.n < 1:
        raise ConfigurationError(f"-n {arguments.n}: should be 1 or more")
    bound = load_configuration(
        arguments.config, arguments.set, check_inputs=False, check_workspace=False
    )
    name, stage = _stage(bound, arguments.stage)
    documents = _documents(bound, stage, arguments.n)
    found = check(name, documents, stage.rate_texts([text for _, text in documents]))
    if arguments.json:
        print(json.dumps({**asdict(found), "fit": found.fit}))
    else:
        _show(Console(arguments.log_format), found)
    return 0 if found.fit else 1


def check(name: str, documents: Sequence[tuple[str, str]], rated: Sequence[Rated]) -> Check:
    """What the ratings of these documents, id and text, say of the rater."""
    masses = [
        (float(mass), key, first_words(text, 80))
        for (key, text), each in zip(documents, rated, strict=True)
        if isinstance(mass := each.row.get("quality_grammar_mass"), float)
    ]
    by_decision: dict[str, list[float]] = {}
    for each in rated:
        for decision, mass in each.masses.items():
            by_decision.setdefault(decision, []).append(mass)
    return Check(
        stage=name,
        statuses=dict(Counter(str(each.row["status"]) for each in rated)),
        truncated=sum(each.row.get("quality_truncated") is True for each in rated),
        mass=median(mass for mass, _, _ in masses) if masses else None,
        decisions={key: (median(all_), min(all_)) for key, all_ in by_decision.items()},
        lowest=heapq.nsmallest(SHOWN, masses),
    )


def _stage(bound: BoundConfiguration, wanted: str | None) -> tuple[str, Generative]:
    """The stage that is checked: the one that is named, or the only one there is."""
    stages = {each.name: each.stage for each in bound.stages if isinstance(each.stage, Generative)}
    if not stages:
        raise ConfigurationError(
            "no stage asks a language model for ratings: quality with the rater dataman or prompted"
        )
    if wanted is None and len(stages) > 1:
        raise ConfigurationError(f"--stage: name one of {', '.join(stages)}")
    name = wanted or next(iter(stages))
    if name not in stages:
        raise ConfigurationError(f"--stage: no such stage '{name}'{nearest(name, list(stages))}")
    return name, stages[name]


def _documents(bound: BoundConfiguration, stage: Generative, count: int) -> list[tuple[str, str]]:
    """Id and text of documents that the stage would rate; the choice depends on the ids alone."""
    columns = _columns(bound)
    found: list[tuple[int, str, str]] = []
    seen = 0
    for part in columns.parts:
        for _, batch in columns.read(["id", *stage.reads], part):
            ids, texts, languages = (column.to_pylist() for column in batch.columns)
            places = draws(0, "rater-check", batch.column(0)).tolist()
            rows = zip(places, ids, texts, languages, strict=True)
            able = (row[:3] for row in rows if stage.status_before(row[2], row[3]) == "ok")
            found = heapq.nsmallest(count, [*found, *able])
        seen += part.bytes
        if seen >= LOOKED_AT:
            break
    if not found:
        raise WinnowError("no document is in a language that the rater declares")
    return [(key, text) for _, key, text in found]


def _columns(bound: BoundConfiguration) -> WorkspaceColumns:
    """The columns of the workspace, or else of the trial beside it, as far as they are measured."""
    for location in (bound.workspace, f"{bound.workspace.rstrip('/')}-sample"):
        if open_store(location).exists("workspace.json"):
            columns = open_columns(location)
            if "language" in columns.addresses:
                return columns
    raise WinnowError(
        "there are no documents with a column 'language' yet; begin with: "
        f"winnow run {bound.path} --sample 0.001 --until language"
    )


def _show(console: Console, found: Check) -> None:
    """The check for people."""
    console.table(
        "probability of what the form allows, before anything is forced",
        ("decision", "median", "lowest"),
        [
            (name, f"{middle:.4f}", f"{lowest:.4f}")
            for name, (middle, lowest) in found.decisions.items()
        ],
    )
    console.table(
        "the least willing replies",
        ("document", "mass", "begins"),
        [(key, f"{mass:.4f}", text) for mass, key, text in found.lowest],
    )
    told = ", ".join(f"{count} {status}" for status, count in sorted(found.statuses.items()))
    console.say(f"\n{found.stage}: {told}; {found.truncated} truncated")
    console.say("each letter and digit is one token where it stands in the reply")
    if found.fit:
        console.say(f"fit: the median grammar mass is {found.mass:.4f}")
    elif found.mass is None:
        console.say("not fit: nothing could be rated")
    else:
        console.say(
            f"not fit: the median grammar mass is {found.mass:.4f}, less than {LOW_MASS}: the form "
            "would be forced on the model, and distort what it thinks of the documents"
        )
