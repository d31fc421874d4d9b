"""A small n-gram model by interpolated absolute discounting: estimated, written, and applied."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

Ngram = tuple[str, ...]
Entry = tuple[float, float]
"""log10 of a probability, and of a backoff weight."""

DISCOUNT = 0.75


def estimate(sentences: Sequence[Sequence[str]], order: int) -> dict[Ngram, Entry]:
    """All n-grams of the sentences up to an order, with probabilities that sum to one."""
    counts: Counter[Ngram] = Counter()
    for sentence in sentences:
        words = ["<s>", *sentence, "</s>"]
        for size in range(1, order + 1):
            counts.update(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
    del counts[("<s>",)]
    totals: Counter[Ngram] = Counter()
    kinds: Counter[Ngram] = Counter()
    for ngram, count in counts.items():
        totals[ngram[:-1]] += count
        kinds[ngram[:-1]] += 1
    gamma = {context: DISCOUNT * kinds[context] / totals[context] for context in totals}
    p: dict[Ngram, float] = {("<unk>",): gamma[()] / (kinds[()] + 1)}
    for ngram in sorted(counts, key=len):
        context = ngram[:-1]
        lower = p[ngram[1:]] if context else p["<unk>",]
        p[ngram] = (counts[ngram] - DISCOUNT) / totals[context] + gamma[context] * lower
    found = {ngram: (math.log10(value), _weight(gamma, ngram)) for ngram, value in p.items()}
    return {**found, ("<s>",): (-99.0, _weight(gamma, ("<s>",)))}


def _weight(gamma: Mapping[Ngram, float], ngram: Ngram) -> float:
    return math.log10(gamma[ngram]) if ngram in gamma else 0.0


def write_arpa(path: Path, model: Mapping[Ngram, Entry]) -> Path:
    """The model as an ARPA file."""
    by_order = defaultdict(list)
    for ngram in model:
        by_order[len(ngram)].append(ngram)
    lines = ["\\data\\", *(f"ngram {n}={len(by_order[n])}" for n in sorted(by_order))]
    for order in sorted(by_order):
        lines += ["", f"\\{order}-grams:"]
        for ngram in sorted(by_order[order]):
            log, weight = model[ngram]
            tail = f"\t{weight:.7g}" if weight and order < max(by_order) else ""
            lines.append(f"{log:.7g}\t{' '.join(ngram)}{tail}")
    path.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")
    return path


def log10_of(model: Mapping[Ngram, Entry], words: Sequence[str]) -> float:
    """A sentence's log10 p, its end counted, by the definition of backoff alone."""
    order = max(map(len, model))
    known = [word if _is_known(model, word) else "<unk>" for word in words]
    read = ["<s>", *known, "</s>"]
    total = 0.0
    for at in range(1, len(read)):
        total += _log10(model, tuple(read[max(0, at - order + 1) : at]), read[at])
    return total


def _is_known(model: Mapping[Ngram, Entry], word: str) -> bool:
    return (word,) in model and word not in ("<s>", "</s>")


def _log10(model: Mapping[Ngram, Entry], context: Ngram, word: str) -> float:
    found = model.get((*context, word))
    if found is not None:
        return found[0]
    weight = model.get(context, (0.0, 0.0))[1]
    return weight + _log10(model, context[1:], word)
