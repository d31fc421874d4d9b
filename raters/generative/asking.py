"""From texts to requests: the frame and the reply's steps, made once for all documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from raters.base import Choosing
from raters.generative.chat import Frame
from raters.generative.excerpts import Budget, Excerpt, LongDocuments, cut, windows
from raters.generative.replies import ReplyError, ReplyForm, SpellingError, spell
from raters.generative.tokenizing import ModelTokenizer, open_tokenizer
from raters.perplexity_model import context_length


@dataclass(frozen=True)
class Asker:
    """Puts documents between the tokens of a frame, which are the same whatever they hold."""

    before: Sequence[int]
    after: Sequence[int]
    steps: Sequence[Sequence[int]]
    tokenizer: ModelTokenizer
    budget: Budget
    long_documents: LongDocuments

    def excerpt(self, text: str) -> Excerpt:
        """The tokens of a text that the model is to read; MarkerError where it may not."""
        take = cut if self.long_documents == "truncate" else windows
        return take(text, self.tokenizer.encode_document, self.budget)

    def requests(self, excerpt: Excerpt) -> list[Choosing]:
        """A request a window."""
        return [
            Choosing(tokens=[*self.before, *window, *self.after], steps=self.steps)
            for window in excerpt.windows
        ]


def open_asker(
    directory: Path,
    frame: Frame,
    form: ReplyForm,
    long_documents: LongDocuments,
    budget: Budget,
    *,
    shrink: bool,
) -> Asker:
    """Everything that a model needs to be asked; ValueError, by name, where it is not fit for it.

    A model that reads less than the budget and the frame gets a smaller one if it may `shrink`.
    """
    tokenizer = open_tokenizer(directory)
    before, after = tokenizer.encode_frame(frame.before), tokenizer.encode_frame(frame.after)
    try:
        steps = spell(form, tokenizer.encode_frame, frame.after)
        _check_spelling(form, steps, tokenizer, after)
    except (SpellingError, ReplyError) as error:
        raise ValueError(f"model: {directory} can't be used for ratings: {error}") from error
    dots = len(tokenizer.encode_document("..."))
    length = context_length(directory)
    room = length - len(before) - len(after) - len(steps) - dots
    if room < budget.tokens:
        if not shrink or room < 1 + dots:
            raise ValueError(
                f"model: {directory} reads {length:,} tokens, but a request takes "
                f"{length - room:,} and {budget.tokens:,} of a document"
            )
        budget = budget.resized(room)
    return Asker(before, after, steps, tokenizer, budget, long_documents)


def _check_spelling(
    form: ReplyForm, steps: Sequence[Sequence[int]], tokenizer: ModelTokenizer, after: Sequence[int]
) -> None:
    """That the first and the last reply, read back from their tokens, are what was chosen."""
    for place in (0, -1):
        picks = [range(len(each.options))[place] for each in form.decisions]
        tokens = [step[place if len(step) > 1 else 0] for step in steps]
        told = tokenizer.decode([*after, *tokens]).removeprefix(tokenizer.decode(after))
        if form.parse(told + form.literals[-1]) != picks:
            raise SpellingError(f"its tokens write {told[:100]!r}")
