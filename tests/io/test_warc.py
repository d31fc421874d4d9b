"""Record counts of real archives against an independent reader's."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from pipeline.io.formats import load_format
from pipeline.io.records import Document, Outcome, PassedOver, ReadOptions, Reject

DIFFERENCES = {
    "warc/warc-jwat/jwat-warc/src/test/resources/invalid-warcfile-lonely-warcinfo-metadata.warc": (
        "two records of no length, apart by blank lines: the reference takes them for one"
    ),
}
"""Files whose count differs from the reference although that read them whole, and why."""

READ_ON = {
    "commoncrawl/warc/collection1/segment1.warc.gz": "one gzip member holds all records",
    "commoncrawl/wet/collection1/segment1.warc.wet.gz": "one gzip member holds all records",
    "cw09/collection1/segment1.warc.gz": "one gzip member holds all records",
    "cw12/collection1/segment1.warc.gz": "one gzip member holds all records",
    "example-bad-non-chunked.warc.gz": "one gzip member holds all records",
    "example-bad.warc.gz.bad": "a gzip member holds two records",
    "example-wrong-chunks.warc.gz": "a gzip member ends within a record",
    "invalid-warcfile-lonely-revisit.warc": "a record has no URI",
}
"""Files that are read to the end, by the end of their names, and why the reference gave up."""


def outcomes(path: Path) -> list[Outcome]:
    with path.open("rb") as file:
        return list(load_format("warc").records(file, path.name, 0, -1, ReadOptions()))


def counts(found: list[Outcome]) -> tuple[int, int]:
    """Records, and rejects of the file as a whole."""
    broken = sum(
        isinstance(o, Reject) and o.reason in ("unreadable", "unknown_format") for o in found
    )
    return len(found) - broken, broken


def manifest(shared: Path) -> list[dict[str, str]]:
    lines = (shared / "data/warc/MANIFEST.tsv").read_text().splitlines()
    return list(csv.DictReader(lines[1:], delimiter="\t"))


def test_counts_agree_with_the_reference(shared: Path) -> None:
    rows = manifest(shared)
    assert len(rows) > 80
    wrong = set()
    for row in rows:
        records, broken = counts(outcomes(shared / "data" / row["file"]))
        if row["err"] and row["file"].endswith(tuple(READ_ON)):
            assert (records > int(row["records"]), broken) == (True, 0), row["file"]
        elif row["err"]:
            assert broken == 1, row["file"]
        elif (records, broken) != (int(row["records"]), 0):
            wrong.add(row["file"])
    assert wrong == DIFFERENCES.keys()


def test_ids_do_not_depend_on_the_reading(shared: Path) -> None:
    path = shared / "data/warc/warc-warcio/example.arc.gz"
    assert outcomes(path) == outcomes(path)


def test_a_page_becomes_its_main_text(shared: Path) -> None:
    found = outcomes(shared / "data/warc/cc-whirlwind/whirlwind.warc.gz")
    documents = [o for o in found if isinstance(o, Document)]
    assert len(documents) == 1
    assert documents[0].url == "https://an.wikipedia.org/wiki/Escopete"
    assert "Escopete" in documents[0].text
    kinds = Counter(o.kind for o in found if isinstance(o, PassedOver))
    assert kinds == {"warc warcinfo": 1, "warc request": 1, "warc metadata": 1}


@pytest.mark.parametrize("skip", [0, 1, 3])
def test_skipping_leaves_out_the_first_records(shared: Path, skip: int) -> None:
    path = shared / "data/warc/cc-whirlwind/whirlwind.warc.gz"
    with path.open("rb") as file:
        rest = list(load_format("warc").records(file, path.name, 0, -1, ReadOptions(), skip))
    assert rest == outcomes(path)[skip:]
