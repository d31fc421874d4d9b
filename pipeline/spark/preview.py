"""What a mixture would be: its manifest without shards, what each rule rejects, and examples."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.export.lists import Manifest
from pipeline.export.manifest import build_manifest
from pipeline.export.mixture_plan import MixturePlan
from pipeline.export.shards import Tally
from pipeline.io.workspace import Workspace
from pipeline.select.bits import place_key
from pipeline.spark.mixture import funnel_of
from pipeline.spark.selecting import Selecting
from pipeline.spark.tasks import Progress, explained

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STRATA = 8
"""Examples are shown of so many strata, those with most to give."""


@dataclass(frozen=True)
class Rejection:
    """What one rule does to the documents."""

    rule: str
    given: int
    """Documents that the rules before it left."""
    rejected: int
    alone: int
    """Documents that no other rule of `where` rejects."""


@dataclass(frozen=True)
class Example:
    """A document near the cut of its stratum."""

    stratum: str
    taken: bool
    key: float
    score: float
    id: str
    text: str


@dataclass(frozen=True)
class Preview:
    """A mixture that is planned and not made."""

    manifest: Manifest
    rejections: tuple[Rejection, ...]
    examples: tuple[Example, ...]


def preview_mixture(
    workspace: Workspace,
    plan: MixturePlan,
    session: Callable[[], "SparkSession"],
    progress: Progress,
) -> Preview:
    """Plan a mixture; nothing is written."""
    with (
        explained(f"mixture {plan.name}"),
        Selecting(session(), workspace, plan, progress) as selecting,
    ):
        outcome = selecting.plan()
        manifest = build_manifest(
            workspace, plan, outcome.plan, funnel_of(plan, outcome), [], Tally()
        )
        given, rejections = outcome.tally.documents, []
        for rule, documents, _, alone in outcome.tally.rules:
            rejections.append(Rejection(rule, given, given - documents, alone))
            given = documents
        margins = selecting.margins(outcome)
        largest = sorted(outcome.plan.strata, key=lambda cut: (-cut.available, cut.stratum))

        def examples() -> Iterator[Example]:
            for cut in sorted(cut.stratum for cut in largest[:STRATA]):
                for taken, side in ((True, margins.taken), (False, margins.left)):
                    for place, score, name, part, row in side.get(cut, ()):
                        text = selecting.text(part, row)
                        yield Example(cut, taken, place_key(f"{place:032x}"), score, name, text)

        return Preview(manifest, tuple(rejections), tuple(examples()))
