"""CCNet's way of scoring documents, by Python's text functions, SentencePiece and KenLM.

Usage: PYTHON ngram_peer.py MARKS.json TEXTS.jsonl PREFIX, which trains pieces, or with
MARKS.json TEXTS.jsonl PIECES.model MODEL.arpa; prints JSON. Run by the Python that has them.
"""

import json
import re
import sys
import time
import unicodedata
from pathlib import Path

_DIGIT, _CONTROL = re.compile(r"\d"), re.compile("[\x00-\x1f\x7f-\x9f]")


def normalised(line: str, marks: dict[int, str]) -> str:
    """A document after CCNet, as one line."""
    bare = unicodedata.normalize("NFD", line.strip().lower())
    bare = "".join(c for c in bare if unicodedata.category(c) != "Mn")
    return _CONTROL.sub("", _DIGIT.sub("0", bare).translate(marks))


def main() -> None:
    """What the command line names."""
    import sentencepiece

    lines = Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    marks = str.maketrans(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    if len(sys.argv) == 4:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(s for t in texts for s in normalised(t, marks).split(". ")),
            model_prefix=sys.argv[3], vocab_size=16_000, minloglevel=2,
        )  # fmt: skip
        return
    import kenlm

    pieces = sentencepiece.SentencePieceProcessor(model_file=sys.argv[3])
    model = kenlm.Model(sys.argv[4])
    steps = [0.0, 0.0, 0.0]
    found = []
    for text in texts:
        began = time.process_time()
        text = normalised(text, marks)
        read = time.process_time()
        line = " ".join(pieces.encode_as_pieces(text))
        cut = time.process_time()
        found.append(10 ** (-model.score(line) / (len(line.split()) + 1)))
        ended = time.process_time()
        for place, spent in enumerate((read - began, cut - read, ended - cut)):
            steps[place] += spent
    print(json.dumps({"steps": steps, "perplexity": found}))


if __name__ == "__main__":
    main()
