"""What each criterion asks, and what a text is like that gets the lowest, middle and top score."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from raters.criteria import CRITERIA


class Anchors(NamedTuple):
    """A criterion in words."""

    asks: str
    lowest: str
    middle: str
    highest: str


ANCHORS: Mapping[str, Anchors] = MappingProxyType(
    dict(
        zip(
            CRITERIA,
            [
                Anchors(
                    "Is it free of mistakes in spelling, grammar and references?",
                    "broken throughout, hard to make sense of",
                    "some mistakes, the meaning is clear",
                    "no mistake to be seen",
                ),
                Anchors(
                    "Do its sentences follow from each other and read fluently?",
                    "fragments without connection",
                    "connected for the most part, with jumps",
                    "one clear line of thought",
                ),
                Anchors(
                    "Does it keep to one language?",
                    "languages or encodings mixed at random",
                    "a few foreign passages without need",
                    "one language; terms and quotations do not count against it",
                ),
                Anchors(
                    "How much of it carries information?",
                    "nearly all boilerplate, filler or noise",
                    "about half of it is content",
                    "nearly every sentence informs",
                ),
                Anchors(
                    "Does it offer knowledge that is new, deep or uncommon?",
                    "there is nothing to learn",
                    "ordinary facts that are widely known",
                    "insight from the frontier, or seldom put in writing",
                ),
                Anchors(
                    "Does it stay on its topic?",
                    "no topic, or many that have nothing to do with each other",
                    "one topic, with digressions",
                    "one topic from beginning to end",
                ),
                Anchors(
                    "Is its expression inventive?",
                    "templates or copied wording",
                    "plain prose that serves",
                    "images, structure or wording of its own",
                ),
                Anchors(
                    "Does it use the vocabulary of a field, and use it correctly?",
                    "none, or misused",
                    "some terms, for laymen",
                    "an expert's vocabulary, precise",
                ),
                Anchors(
                    "Is its style uniform, and are its shifts apt?",
                    "registers and formats clash",
                    "uniform for the most part",
                    "one consistent style",
                ),
                Anchors(
                    "Are its sentences built in varied and correct ways?",
                    "lists, fragments or a single pattern",
                    "some variety",
                    "rich variety, all of it correct",
                ),
                Anchors(
                    "Is it structured clearly and as its genre demands?",
                    "no structure, or a broken layout",
                    "some structure, uneven",
                    "a clear structure for its genre",
                ),
                Anchors(
                    "Is it free of repetition within itself? Novelty is not asked for.",
                    "the same content over and over",
                    "some repetition",
                    "nothing repeated without need",
                ),
                Anchors(
                    "Are sensitive matters handled as they should be? A high score is safe.",
                    "hateful, explicit or dangerous, or private data laid open",
                    "touches such matters without care",
                    "nothing that is out of place",
                ),
                Anchors(
                    "All in all, how good is it for pre-training a language model? "
                    "A judgement of its own, not an average.",
                    "to be thrown away",
                    "filler that can be used",
                    "as good as edited prose, a textbook, a paper or clean code",
                ),
            ],
            strict=True,
        )
    )
)
"""By criterion; four and two lie between."""
