"""What datatrove and rensa make of some documents, and how long they take; run by their Python.

Usage: PYTHON peer_runs.py DOCUMENTS.jsonl FOLDER; prints JSON.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.dedup.minhash import MinhashDedupSignature
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    fineweb_quality_filter,
    gopher_quality_filter,
    gopher_repetition_filter,
)
from rensa import RMinHash

FILTERS = {
    "gopher_quality": GopherQualityFilter(),
    "gopher_repetition": GopherRepetitionFilter(),
    "c4_quality": C4QualityFilter(),
    "fineweb_quality": FineWebQualityFilter(),
}
AS_OURS = {
    **FILTERS,
    "c4_quality": C4QualityFilter(min_num_sentences=3, min_words_per_line=5),
    "fineweb_quality": FineWebQualityFilter(char_duplicates_ratio=0.1),
}
"""With the thresholds that Winnow takes from the papers."""
_WORD = re.compile(r"\w+")
NGRAM, HASHES = 5, 112


def verdict(rule: Any, text: str) -> str:
    """Empty for a pass, else the reason; a filter that fails drops the document."""
    try:
        found = rule.filter(Document(text, id=""))
    except (ZeroDivisionError, ValueError, IndexError) as error:
        return type(error).__name__
    return "" if found is True else str(found[1])


def verdicts(rules: dict[str, Any], texts: Sequence[str]) -> dict[str, list[str]]:
    """Each rule's verdict on each text."""
    return {name: [verdict(rule, text) for text in texts] for name, rule in rules.items()}


def seconds(run: Callable[[str], object], texts: Iterable[str]) -> float:
    """The processor's time for all texts."""
    start = time.process_time()
    for text in texts:
        run(text)
    return time.process_time() - start


def sign(step: MinhashDedupSignature, text: str) -> None:
    """What datatrove's step does with a document before it writes."""
    shingles = step.get_shingles(text)
    if shingles.size:
        step.get_signature(shingles)


def rensa_digest(text: str) -> list[int]:
    """Shingles in Python, the rest in rensa."""
    words = _WORD.findall(text.lower())
    shingles = [" ".join(words[i : i + NGRAM]) for i in range(max(1, len(words) - NGRAM + 1))]
    sketch = RMinHash(HASHES, 1)
    sketch.update(shingles)
    found: list[int] = sketch.digest()
    return found


def main() -> None:
    """Time and compare."""
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").split("\n")[:-1]
    words = {document["text"]: document["words"] for document in map(json.loads, lines)}
    texts = [json.loads(line)["text"] for line in lines]
    step = MinhashDedupSignature(sys.argv[2])
    assert step.num_hashes == HASHES
    assert step.config.n_grams == NGRAM
    verdicts(AS_OURS, ["Words to load the tokenizer. And sentences."])
    start = time.process_time()
    found = verdicts(FILTERS, texts)
    times = {"filters": time.process_time() - start}
    times["minhash"] = seconds(lambda text: sign(step, text), texts)
    times["rensa"] = min(seconds(rensa_digest, texts) for _ in range(3))
    compared = {"defaults": found, "thresholds": verdicts(AS_OURS, texts)}
    for module in (fineweb_quality_filter, gopher_quality_filter, gopher_repetition_filter):
        module.split_into_words = lambda text, language: words[text]
    compared["words"] = verdicts(AS_OURS, texts)
    print(json.dumps({"seconds": times, "verdicts": compared}))


if __name__ == "__main__":
    main()
