"""Signals and MinHash against datatrove and rensa, side by side on the same documents."""

import itertools
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.corpus import mixed_texts
from benchmarks.runs import ROOT
from benchmarks.tables import show
from pipeline.stages.texts import utf8
from pipeline.text import signals
from pipeline.text.characters import properties
from pipeline.text.decoding import decode, frozen
from pipeline.text.measures import VERDICTS
from pipeline.text.minhash import band_hashes
from pipeline.text.script import script
from pipeline.text.shingles import Shingling
from pipeline.text.words import find_words

PEERS = ("datatrove[processing]==0.10.1", "orjson==3.13.0", "spacy==3.8.18", "rensa==0.5.0")
"""datatrove's English words are spaCy's rules, which need no download."""
BANDS, ROWS = 14, 8
SAMPLE = 2_000_000
GROUPS = {
    "ASCII": ("Latn", True),
    "Latin with accents": ("Latn", False),
    "Cyrillic": ("Cyrl", False),
    "Arabic": ("Arab", False),
    "Devanagari": ("Deva", False),
    "Bengali": ("Beng", False),
    "Han": ("Hani", False),
    "Hiragana": ("Hira", False),
    "Hangul": ("Hang", False),
    "Thai": ("Thai", False),
}
"""By most letters' script and whether the text is ASCII."""
NOTES = """
Long ones have the 50 words that Gopher asks for. Compared with datatrove as it comes (defaults),
with the papers' thresholds as Winnow takes them (C4: three sentences, lines of five words; FineWeb:
a tenth of the characters in repeated lines), and with these and Winnow's words.

- gopher_quality: by datatrove's tokens, which are spaCy's, a comma, a full stop and a line end are
  words, and words without a letter, so that its rule "80 % of words have a letter" drops a quarter
  of these documents, ordinary prose among them. The paper's words stand between white space;
  Winnow's are those of Unicode's UAX 29 that hold a letter or digit, and a mark is none. With the
  same words in both, the verdicts are the same.
- gopher_repetition: datatrove looks for no repeated n-gram that overlaps the one before, where the
  paper, and Winnow, count every character of all of them: of nine words that come again, five are
  in its 5-grams. It compares lines with the blanks around them. By spaCy's tokens there are more
  n-grams, and shorter ones.
- c4_quality: datatrove looks for curly brackets only in lines that could be kept, and by spaCy's
  rules a sentence does not end in every full stop.
- fineweb_quality: datatrove does not strip a line before it looks at its last character; for
  repeated lines it has a hundredth where the paper has a tenth.
"""
Buffers = tuple[npt.NDArray[np.uint8], npt.NDArray[np.integer]]


def environment(name: str = "peers", packages: Sequence[str] = PEERS) -> Path:
    """The peers' Python; its environment is made where it is missing, and kept."""
    folder = ROOT / "benchmarks" / ".venvs" / name
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.is_file() or stamp.read_text().split() != list(packages):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", *packages]
        subprocess.run(install, check=True, stderr=subprocess.DEVNULL)
        stamp.write_text("\n".join(packages))
    return python


def buffers(texts: Sequence[str]) -> Buffers:
    """As a batch has them."""
    return utf8(pa.array(texts, pa.large_string()))


def rate(run: Callable[[], object], held: Buffers) -> float:
    """MB of text a second of one core: the best of five runs, by the processor's time."""
    run()
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return (int(held[1][-1]) - int(held[1][0])) / 1e6 / best


def speeds(held: Buffers) -> tuple[float, float]:
    """Of all signals, and from text to band hashes of word 5-grams by 112 permutations."""
    return (
        rate(lambda: signals.measure(*held), held),
        rate(lambda: band_hashes(*held, Shingling(), BANDS, ROWS, 1), held),
    )


def words(text: str) -> list[str]:
    """The kernel's words."""
    values, offsets = frozen(*buffers([text]))
    known, size = properties(), len(values) + 1
    points, kinds = np.empty(size, np.uint32), np.empty(size, np.uint32)
    starts, ends = np.empty(size, np.int64), np.empty(size, np.int64)
    start, end = int(offsets[0]), int(offsets[1])
    n = decode(values, start, end, known.index, known.blocks, points, kinds)
    count = find_words(points, kinds, n, starts, ends, np.empty(size, np.uint64))
    return [text[a:b] for a, b in zip(starts[:count], ends[:count], strict=True)]


def peers(folder: Path, scale: float) -> None:
    """MB/s of signals and MinHash by script, against datatrove and rensa, and equal verdicts."""
    texts = mixed_texts()
    _by_script(texts)
    step = max(1, round(sum(len(text.encode()) for text in texts) / (SAMPLE * scale)))
    sample = texts[::step]
    path = folder / "documents.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for text in sample:
            file.write(json.dumps({"text": text, "words": words(text)}) + "\n")
    runs = [str(environment()), str(ROOT / "benchmarks" / "peer_runs.py"), str(path), str(folder)]
    told = json.loads(subprocess.run(runs, check=True, capture_output=True).stdout)
    held = buffers(sample)
    size = int(held[1][-1]) / 1e6
    theirs = {name: size / seconds for name, seconds in told["seconds"].items()}
    ours = speeds(held)
    rows = [
        ("Gopher, C4 and FineWeb", ours[0], "datatrove", theirs["filters"]),
        ("text to 112 hashes", ours[1], "datatrove", theirs["minhash"]),
        ("text to 112 hashes", ours[1], "rensa, shingles in Python", theirs["rensa"]),
    ]
    show(
        f"One core, MB/s on {len(sample):,} documents of {size:.1f} MB",
        ("what", "Winnow", "peer", "peer's", "times"),
        ((*row, f"{their:.2f}", round(row[1] / their)) for *row, their in rows),
    )
    _agreement(held, told["verdicts"])


def _by_script(texts: Sequence[str]) -> None:
    groups: dict[tuple[str, bool], list[str]] = {}
    for text in texts:
        groups.setdefault((script(text), text.isascii()), []).append(text)

    def rows() -> Iterator[list[object]]:
        named = {name: groups.get(key, []) for name, key in GROUPS.items()}
        for name, chosen in {"all": texts, **named}.items():
            held = buffers(chosen)
            if len(held[0]):
                yield [name, len(held[0]) / 1e6, *speeds(held)]

    show("One core, MB/s by script", ("documents", "MB", "signals", "text to 112 hashes"), rows())


def _agreement(held: Buffers, told: dict[str, dict[str, list[str]]]) -> None:
    ours = signals.measure(*held)
    long = ours["n_words"].values.astype(int) >= 50

    def rows() -> Iterator[list[object]]:
        for name, how in itertools.product(VERDICTS, told):
            passes = ours[name].values.astype(bool)
            reasons = np.array(told[how][name])
            theirs = reasons == ""
            same = passes == theirs
            why = Counter(reasons[passes & ~theirs].tolist()).most_common(3)
            yield [
                *(name, how, f"{np.mean(same):.1%}", f"{np.mean(same[long]):.1%}"),
                *(f"{np.mean(passes):.1%}", f"{np.mean(theirs):.1%}"),
                int(np.sum(theirs & ~passes)),
                ", ".join(f"{reason} {count}" for reason, count in why),
            ]

    head = ("preset", "compared with", "same", "of long ones", "Winnow passes", "datatrove passes")
    more = ("dropped by Winnow alone", "by datatrove alone, most for")
    show("Verdicts", (*head, *more), rows())
    print(NOTES, flush=True)
