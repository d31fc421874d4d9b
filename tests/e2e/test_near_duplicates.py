"""Near duplicates among 3,000 real documents, against all pairs compared by brute force."""

import io
import json
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from support import here, write_jsonl

from pipeline.stages.fuzzy_dedup import FuzzyDedup
from pipeline.stages.texts import utf8
from pipeline.text.shingles import jaccards, shingle_sets

THRESHOLD = 0.8
CONFIGURATION = """\
workspace: ./work
part_bytes: 1_000_000
sources: [{name: texts, path: texts.jsonl}]
stages:
  - exact_dedup: {}
  - fuzzy_dedup: {threshold: 0.8}
"""


def members(path: Path) -> Iterator[str]:
    content = zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in sorted(archive.getmembers(), key=lambda found: found.name):
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None and not member.name.endswith(".yml"):
                yield file.read().decode("utf-8", "replace")


@pytest.fixture(scope="module")
def texts(shared: Path) -> list[str]:
    """Licences in many wordings, and documents of a mixed corpus, none of them twice."""
    folder = shared / "data"
    found = dict.fromkeys(members(folder / "neardup/scancode-lic1.tar.zst"))
    found |= dict.fromkeys(members(folder / "neardup/spdx-licenses.tar.zst"))
    raw = zstandard.ZstdDecompressor().stream_reader((folder / "corpus/mixed.jsonl.zst").open("rb"))
    for number, line in enumerate(io.TextIOWrapper(raw, "utf-8")):
        if number % 5 == 0 and len(found) < 3000:
            found[json.loads(line)["text"]] = None
    assert len(found) == 3000
    return [text for text in found if text.strip()]


Pairs = dict[tuple[int, int], float]


@pytest.fixture(scope="module")
def near(texts: list[str]) -> Pairs:
    """Every pair at the threshold or above, with its similarity."""
    sets, offsets = shingle_sets(*utf8(pa.array(texts)), FuzzyDedup().shingling)
    sizes = np.diff(offsets)
    order = np.argsort(sizes, kind="stable")
    found: Pairs = {}
    for place, one in enumerate(order):
        # Sets of too different sizes can't be so similar.
        end = np.searchsorted(sizes[order], sizes[one] / THRESHOLD, side="right")
        others = order[place + 1 : end]
        if not sizes[one] or not len(others):
            continue
        similarity = np.empty(len(others))
        jaccards(sets, offsets, np.full(len(others), one), others, similarity)
        for other in np.flatnonzero(similarity >= THRESHOLD):
            pair = sorted((int(one), int(others[other])))
            found[pair[0], pair[1]] = float(similarity[other])
    return found


def test_pairs_at_the_threshold_are_candidates(texts: list[str], near: Pairs) -> None:
    hashes = FuzzyDedup(threshold=THRESHOLD).map_half().apply(pa.record_batch([texts], ["text"]))
    buckets: dict[int, list[int]] = defaultdict(list)
    for number, bands in enumerate(hashes.column(0).to_pylist()):
        for band in bands or ():
            buckets[band].append(number)
    candidates = {
        (one, other)
        for found in buckets.values()
        for place, one in enumerate(found)
        for other in found[place + 1 :]
    }
    assert len(near) > 100
    assert len(near.keys() & candidates) >= 0.98 * len(near)


def test_a_dropped_document_is_near_the_one_that_is_kept(
    texts: list[str], near: Pairs, tmp_path: Path, spark: object
) -> None:
    rows = [{"id": str(number), "text": text} for number, text in enumerate(texts)]
    write_jsonl(tmp_path / "texts.jsonl", rows)
    (tmp_path / "corpus.yaml").write_text(CONFIGURATION)
    here("run", str(tmp_path / "corpus.yaml"))
    output = tmp_path / "clusters.parquet"
    columns = "source_id,duplicate_of,similarity,cluster_id,cluster_size"
    here("table", str(tmp_path / "work"), "--columns", columns, "-o", str(output))
    table = pq.read_table(output).to_pylist()
    numbers = {row["id"]: int(row["source_id"]) for row in table}
    dropped = [row for row in table if row["duplicate_of"] is not None]
    assert len(dropped) > 50
    for row in dropped:
        one, other = sorted((numbers[row["id"]], numbers[row["duplicate_of"]]))
        assert near[one, other] == row["similarity"]
    kept = {numbers[row["id"]] for row in table} - {numbers[row["id"]] for row in dropped}
    missed = sum(one in kept and other in kept for one, other in near)
    assert missed <= 0.02 * len(near)
    sizes: dict[str, int] = defaultdict(int)
    for row in table:
        sizes[row["cluster_id"]] += 1
    assert all(row["cluster_size"] == sizes[row["cluster_id"]] for row in table)
