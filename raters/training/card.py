"""The student's card, for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from raters.criteria import CRITERIA
from raters.training.figures import Agreement, Figure


class Facts(TypedDict):
    """What the card needs of student.json."""

    languages: list[str]
    rows: int
    rows_by_license: dict[str, int]
    n_grams: int
    n_style_measures: int


@dataclass(frozen=True)
class Measured:
    """Agreement with so many gold ratings."""

    rows: int
    agreement: Agreement


_INTRODUCTION = """\
# The student: card

Fourteen criteria from 1 to 5 and one of fifteen domains for a text, by a linear model on a CPU. It
sees the first 1,400 and the last 600 characters of a text. `student.json` tells what it was made
from, `raters/student.py` how it rates, `raters/training` how it was trained.
`python -m raters.training.student` makes the artefact, `python -m raters.training.evaluate`
measures it and writes this card and `figures.json`.

It learned from ratings that a large language model gave, not from people; letters and scores of
other raters are not comparable to its own. Of its own it knows word lists (`raters/lexicon.py`),
which were written by hand by someone who knew what kinds of sources the gold ratings come from.
"""

_READING = """\
Every figure has its 95 % interval from {samples} bootstrap samples of rows in parentheses. Rows of
a source are alike, and drawing whole sources would give wider ones.

*Split by source*: eight folds, and no source is in two; all books of OpenStax are one source, and
so are all pages from DCLM. The student rates sources that it has never seen. *Random split*: eight
folds of rows, whatever their source. *Allowed rows* are those that the shipped artefact was trained
on; most are edited prose, and web pages, e-mail and news are not among them. The last table shows
what that costs: it **overrates** such texts (bias: expected score less gold), while their order
holds better than that of the allowed rows among themselves, which differ little. Integers are the
likeliest score; Spearman's correlation is that of expected values. The recipe's settings
were chosen among a handful with the first table in view, which flatters it a little.
"""


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _agreement(table: Measured) -> str:
    names = ("exact", "within_one", "spearman", "bias")
    rows = [[c, *(str(table.agreement[c][name]) for name in names)] for c in CRITERIA]
    domain = [["domain", str(table.agreement["domain"]["exact"]), "", "", ""]]
    return _table(["", "exact", "within one", "Spearman", "bias"], rows + domain)


def write_card(
    facts: Facts,
    tables: Mapping[str, Measured],
    people: Mapping[str, Mapping[str, Figure]],
    samples: int,
) -> str:
    """Markdown: what the artefact was trained on, and how well it and its variants rate."""
    licenses = [[name, str(count)] for name, count in facts["rows_by_license"].items()]
    labels = [[name, str(row["all"]), str(row["unanimous"])] for name, row in people.items()]
    told = [
        _INTRODUCTION,
        f"Languages: {', '.join(facts['languages'])}. N-gram buckets: {facts['n_grams']:,}; "
        f"measures of style: {facts['n_style_measures']}.\n",
        f"## Trained on {facts['rows']:,} rows\n",
        _table(["licence, as the gold ratings spell it", "rows"], licenses),
        "## Agreement\n",
        _READING.format(samples=f"{samples:,}"),
        *(
            f"### {name[0].upper()}{name[1:]}: {table.rows:,} rows\n\n{_agreement(table)}"
            for name, table in tables.items()
        ),
        "## Agreement with people\n",
        "AUC of the expected overall score for pages that people found good or bad (DCLM). No gold "
        "row of such a page was trained on, so that the split makes no difference.\n",
        _table(["trained on", "all pages", "unanimous labels"], labels),
    ]
    return "\n".join(told)
