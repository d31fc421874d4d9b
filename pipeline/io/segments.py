"""Segments: a document cut into runs of so many tokens, each an exact slice of its text."""

from collections.abc import Iterator
from dataclasses import replace

from pipeline.io.records import Cut, Document, Outcome, Segmentation
from pipeline.io.tokenizer import load_tokenizer


def cut(text: str, into: Segmentation) -> Cut:
    """Where a text is cut: before the character that every `into.tokens`-th token begins in.

    The tokens are those of the whole text, without special tokens. Where a token begins inside a
    character, that character goes to the later segment whole; what no token covers stays with the
    segment before it. Segments are never empty: a character of more tokens than a segment holds
    is in one.
    """
    encoding = load_tokenizer(into.tokenizer).encode(text, add_special_tokens=False)
    total = len(encoding)
    begins = map(encoding.token_to_chars, range(into.tokens, total, into.tokens))
    ends = {place[0] for place in begins if place is not None}
    left = total % into.tokens
    if into.remainder == "keep" or (total and not left):
        ends.add(len(text))
        left = 0
    ends.discard(0)
    return Cut(tuple(sorted(ends)), left if ends else total)


def segmented(outcomes: Iterator[Outcome], into: Segmentation) -> Iterator[Outcome]:
    """The same outcomes, every document with where it is cut."""
    for outcome in outcomes:
        if isinstance(outcome, Document):
            outcome = replace(outcome, cut=cut(outcome.text, into))
        yield outcome
