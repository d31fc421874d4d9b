"""A small n-gram model from texts: `python -m raters.training.ngrams -o en.arpa TEXT.jsonl ...`.

By interpolated absolute discounting (Ney, Essen and Kneser 1994), in memory: for some hundred
megabytes of text; KenLM's lmplz estimates larger ones. Texts are normalised and cut as the stage
will do it, so give both the same parameters.
"""

import argparse
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.stages.texts import utf8
from pipeline.text.ccnet import normalise
from pipeline.text.decoding import frozen
from raters.ngram.pieces import load_cutter, sentences

Ngram = tuple[str, ...]
Entry = tuple[float, float]
"""log10 of a probability, and of a backoff weight."""
DISCOUNT = 0.75
_BATCH = 1000


def estimate(texts: Iterable[Sequence[str]], order: int, least: int = 1) -> dict[Ngram, Entry]:
    """The n-grams of sentences up to an order; of three words or more those seen `least` times."""
    counts: Counter[Ngram] = Counter()
    for sentence in texts:
        words = ["<s>", *sentence, "</s>"]
        for size in range(1, order + 1):
            counts.update(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
    del counts[("<s>",)]
    kept = {n: count for n, count in counts.items() if len(n) < 3 or count >= least}
    totals: Counter[Ngram] = Counter()
    kinds: Counter[Ngram] = Counter()
    for ngram, count in kept.items():
        totals[ngram[:-1]] += count
        kinds[ngram[:-1]] += 1
    gamma = {context: DISCOUNT * kinds[context] / totals[context] for context in totals}
    # What single words leave over is spread over them and one more, the unknown one.
    uniform = 1 / (kinds[()] + 1)
    p: dict[Ngram, float] = {("<unk>",): gamma[()] * uniform}
    for ngram in sorted(kept, key=len):
        context = ngram[:-1]
        lower = p[ngram[1:]] if context else uniform
        p[ngram] = (kept[ngram] - DISCOUNT) / totals[context] + gamma[context] * lower
    found = {ngram: (math.log10(value), _weight(gamma, ngram)) for ngram, value in p.items()}
    return {**found, ("<s>",): (-99.0, _weight(gamma, ("<s>",)))}


def _weight(gamma: Mapping[Ngram, float], ngram: Ngram) -> float:
    return math.log10(gamma[ngram]) if ngram in gamma else 0.0


def write_arpa(path: Path, model: Mapping[Ngram, Entry]) -> Path:
    """The model as an ARPA file."""
    by_order = defaultdict(list)
    for ngram in model:
        by_order[len(ngram)].append(ngram)
    with path.open("w", encoding="utf-8") as file:
        file.write("\\data\\\n")
        file.writelines(f"ngram {n}={len(by_order[n])}\n" for n in sorted(by_order))
        for order in sorted(by_order):
            file.write(f"\n\\{order}-grams:\n")
            for ngram in sorted(by_order[order]):
                log, weight = model[ngram]
                tail = f"\t{weight:.7g}" if weight and order < max(by_order) else ""
                file.write(f"{log:.7g}\t{' '.join(ngram)}{tail}\n")
        file.write("\n\\end\\\n")
    return path


def words_of(
    texts: Sequence[str], tokenizer: str | None, normalisation: str, by_line: bool = True
) -> Iterator[list[str]]:
    """The sentences of texts, as the stage reads them."""
    special = ("<s>", "</s>", "<unk>")
    for start in range(0, len(texts), _BATCH):
        values, offsets = frozen(*utf8(pa.array(texts[start : start + _BATCH], pa.string())))
        if normalisation == "ccnet":
            values, offsets = normalise(values, offsets, by_line)
        if tokenizer is not None:
            values, offsets = load_cutter(tokenizer).cut(values, offsets, by_line)
        for lines in sentences(values, offsets, by_line):
            for line in lines:
                words = [word.decode() for word in line.encode().split()]
                yield [word for word in words if word not in special]


def main() -> None:
    """Estimate what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="+", type=Path, help="JSON lines with a `text`")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the ARPA file")
    parser.add_argument("--order", type=int, default=3)
    parser.add_argument("--least", type=int, default=2, help="see `estimate`")
    parser.add_argument("--tokenizer", help="NAME.model, tokenizer.json or `shipped`")
    parser.add_argument("--normalisation", choices=("ccnet", "none"), default="ccnet")
    parser.add_argument("--sentences", choices=("lines", "document"), default="lines")
    told = parser.parse_args()
    texts = [
        json.loads(line)["text"]
        for path in told.texts
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    read = words_of(texts, told.tokenizer, told.normalisation, told.sentences == "lines")
    model = estimate(read, told.order, told.least)
    write_arpa(told.output, model)
    print(f"{told.output}: {len(model):,} n-grams")


if __name__ == "__main__":
    main()
