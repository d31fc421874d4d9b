"""What an n-gram model gives a sentence, by the definition of backoff alone."""

from collections.abc import Mapping, Sequence

from raters.training.ngrams import Entry, Ngram


def log10_of(model: Mapping[Ngram, Entry], words: Sequence[str]) -> float:
    """A sentence's log10 p, its end counted."""
    order = max(map(len, model))
    known = [word if _is_known(model, word) else "<unk>" for word in words]
    read = ["<s>", *known, "</s>"]
    total = 0.0
    for at in range(1, len(read)):
        total += backed_off(model, tuple(read[max(0, at - order + 1) : at]), read[at])
    return total


def _is_known(model: Mapping[Ngram, Entry], word: str) -> bool:
    return (word,) in model and word not in ("<s>", "</s>")


def backed_off(model: Mapping[Ngram, Entry], context: Ngram, word: str) -> float:
    """log10 p of a word after others."""
    found = model.get((*context, word))
    if found is not None:
        return found[0]
    weight = model.get(context, (0.0, 0.0))[1]
    return weight + backed_off(model, context[1:], word)
