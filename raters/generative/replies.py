"""The forms that a reply can have: what is decided, and the text between the decisions."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from raters.criteria import DOMAINS, SCALE

DOMAIN = "domain"
"""The decision that is no criterion."""


class ReplyError(ValueError):
    """A reply that does not have its form; tells where, and nothing of what it holds."""


@dataclass(frozen=True)
class Decision:
    """One thing to decide, and the texts that it can be, one token each."""

    name: str
    options: tuple[str, ...]

    def place(self, given: object) -> int:
        """Which option this is; ReplyError where it is none."""
        if type(given) is not str or given not in self.options:
            raise ReplyError(f"{self.name} is not one of {', '.join(self.options)}")
        return self.options.index(given)


def decision(name: str) -> Decision:
    """The decision about the domain or about a criterion."""
    return Decision(name, tuple(DOMAINS) if name == DOMAIN else tuple(map(str, SCALE)))


@dataclass(frozen=True)
class ReplyForm:
    """Decisions in order, each with the text that stands before it, and the text at the end."""

    decisions: tuple[Decision, ...]
    literals: tuple[str, ...]
    """One more than decisions."""

    def write(self, picks: Sequence[int]) -> str:
        """The reply with these options picked."""
        chosen = [each.options[pick] for each, pick in zip(self.decisions, picks, strict=True)]
        between = zip(self.literals, [*chosen, ""], strict=True)
        return "".join(part for pair in between for part in pair)

    def parse(self, reply: str) -> list[int]:
        """The picks of a whole reply, to the letter; ReplyError for anything else."""
        found = self._pattern.fullmatch(reply)
        if found is None:
            raise ReplyError("the reply does not have its form")
        return [
            each.place(given) for each, given in zip(self.decisions, found.groups(), strict=True)
        ]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """A reply of the form in which any few letters or digits stand for each decision."""
        return re.compile(r"(\w{1,9})".join(map(re.escape, self.literals)))


def compact(names: Sequence[str]) -> ReplyForm:
    """A line a decision: `^[A-O](\\n[1-5]){14}$` where all are asked for (DataMan's form)."""
    decisions = tuple(map(decision, names))
    return ReplyForm(decisions, ("", *["\n"] * (len(names) - 1), ""))


def as_json(names: Sequence[str]) -> ReplyForm:
    """One JSON object with a key a decision, in order."""
    quotes = ['"' if name == DOMAIN else "" for name in names]
    keys = [f"{json.dumps(name)}: {quote}" for name, quote in zip(names, quotes, strict=True)]
    between = [f"{quote}, {key}" for quote, key in zip(quotes, keys[1:], strict=False)]
    return ReplyForm(tuple(map(decision, names)), ("{" + keys[0], *between, quotes[-1] + "}"))


class SpellingError(ValueError):
    """A tokenizer under which a decision of the form is not one token of several."""


def spell(form: ReplyForm, encode: Callable[[str], Sequence[int]], before: str) -> list[list[int]]:
    """The steps that write a reply after this text: by step, the tokens that it allows.

    Checks in their very context that each option is one token of its own, and that no token
    reaches from one decision over to what stands before or after it; SpellingError otherwise.
    """
    spelled = [_spell(form, encode, before, option) for option in (0, -1)]
    if spelled[0] != spelled[1]:
        raise SpellingError("the same reply is other tokens where another one stands before it")
    return spelled[0]


def _spell(
    form: ReplyForm, encode: Callable[[str], Sequence[int]], written: str, option: int
) -> list[list[int]]:
    """The steps, were it that this option is chosen every time."""
    steps: list[list[int]] = []
    known = list(encode(written))
    for each, literal in zip(form.decisions, form.literals, strict=False):
        written += literal
        ways = [list(encode(written + text)) for text in each.options]
        common = min(len(way) for way in ways) - 1
        options = [way[common] for way in ways]
        together = {tuple(way[:common]) for way in ways}
        alone = all(len(way) == common + 1 for way in ways)
        if not alone or len(together) > 1 or len(set(options)) < len(options):
            raise SpellingError(f"{', '.join(each.options)} of {each.name} are not one token each")
        if ways[0][: len(known)] != known:
            raise SpellingError(f"a token reaches over the beginning of {each.name}")
        steps += [[token] for token in ways[0][len(known) : common]]
        steps.append(options)
        written += each.options[option]
        known = ways[option]
    return steps
