"""What the shipped language model is trained on: rows under free licences."""

import gzip
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

LICENCES: Mapping[str, str] = MappingProxyType(
    {
        "CC0-1.0": "CC0-1.0",
        "CC0": "CC0-1.0",
        "CC0/PD": "CC0-1.0",
        "CC0/public domain": "PD",
        "PD": "PD",
        "public domain": "PD",
        "CC-BY-4.0": "CC-BY-4.0",
        "CC-BY-SA-3.0": "CC-BY-SA-3.0",
        "CC-BY-SA-4.0": "CC-BY-SA-4.0",
        "Apache-2.0": "Apache-2.0",
        "MIT/Apache-2.0": "MIT OR Apache-2.0",
        "MIT OR Apache-2.0": "MIT OR Apache-2.0",
        "MIT/UN": "MIT",
        "MIT": "MIT",
    }
)
"""The licences that are taken, by what data sets call them."""

EXCLUDED = (
    # Another licence in the book's own repository, or none that is sure.
    "openstax-american-government",
    "openstax-anatomy-physiology",
    "openstax-business-law",
    "openstax-introductory-statistics-bundle",
    "openstax-principles-marketing",
    # Abstracts whose publishers gave no licence; the data set's licence is that of its questions.
    "pubmedqa",
    # What the model is judged by.
    "ocr-overproof",
    "ocr-overproof-gold",
    "sms-spam",
    "spamassassin",
    # Hundreds of copies of one text in slightly other words.
    "spdx-licenses",
)
"""Collections that are left out whatever licence stands beside their rows."""

MAX_BYTES = 700_000
"""So much is taken of a collection, that none outweighs the others ..."""

MAX_FOREIGN_BYTES = 300_000
"""... and so much where the collection is not English, of which the model should be sure."""

HELD_OUT_SHARE = 0.05
"""The share of documents that is never trained on."""


@dataclass(frozen=True)
class Row:
    """One document that may be trained on."""

    id: str
    text: str
    collection: str
    licence: str
    english: bool


def read_rows(path: Path) -> Iterator[dict[str, object]]:
    """The records of a JSONL file (plain, .gz or .zst) or a Parquet file; broken lines raise."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        yield from pq.read_table(path).to_pylist()
        return
    with path.open("rb") as raw:
        stream: Iterable[bytes] = raw
        if path.suffix == ".gz":
            stream = gzip.GzipFile(fileobj=raw)
        elif path.suffix == ".zst":
            import zstandard

            stream = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw))
        for line in stream:
            yield json.loads(line)


def held_out(text: str) -> bool:
    """Whether a document is kept for validation: by its beginning, so that copies go with it."""
    beginning = " ".join(text[:400].split())[:200]
    place = int.from_bytes(hashlib.sha256(beginning.encode("utf-8", "replace")).digest()[:8])
    return place < HELD_OUT_SHARE * 2**64


def choose(paths: Sequence[Path]) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows held out, in a fixed shuffle, each collection up to its limit."""
    allowed = {row.text: row for path in paths for row in _allowed(path)}
    taken: Counter[str] = Counter()
    training: list[Row] = []
    validation: list[Row] = []
    for row in sorted(allowed.values(), key=_place):
        if taken[row.collection] >= (MAX_BYTES if row.english else MAX_FOREIGN_BYTES):
            continue
        taken[row.collection] += len(row.text.encode())
        (validation if held_out(row.text) else training).append(row)
    return training, validation


def _allowed(path: Path) -> Iterator[Row]:
    for record in read_rows(path):
        text = record.get("text") or record.get("body")
        collection = str(record.get("collection") or record.get("source"))
        licence = LICENCES.get(str(record.get("license")))
        if isinstance(text, str) and licence is not None and collection not in EXCLUDED:
            english = record.get("lang") == "en"
            yield Row(str(record["id"]), text, collection, licence, english)


def _place(row: Row) -> str:
    return hashlib.sha256(f"{row.id} {row.text[:100]}".encode("utf-8", "replace")).hexdigest()
