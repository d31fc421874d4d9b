"""The bundled sample: small, varied, free to pass on, and credited."""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import yaml
from support import ROOT

SAMPLE = ROOT / "examples" / "sample"
ALLOWED = {
    "CC0-1.0", "PD", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "MIT", "Apache-2.0",
    "MIT OR Apache-2.0",
}  # fmt: skip
ROW = re.compile(r"^\| (\S+) \| ([^|]+) \| [^|]+ \|$", re.M)


def _records(path: Path) -> Iterator[dict[str, str]]:
    if path.suffix == ".parquet":
        yield from pq.read_table(path).to_pylist()
        return
    content = path.read_bytes()
    for line in (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if "collection" in record:
            yield record


@cache
def records() -> list[dict[str, str]]:
    """Every record but those that are broken on purpose."""
    files = [path for path in SAMPLE.iterdir() if path.suffix in (".parquet", ".jsonl")]
    return [r for path in (*files, SAMPLE / "library.jsonl.gz") for r in _records(path)]


def pages() -> list[str]:
    """The addresses of the pages that were not made up."""
    from warcio.archiveiterator import ArchiveIterator

    with (SAMPLE / "pages.warc.gz").open("rb") as file:
        return [
            record.rec_headers.get_header("WARC-Target-URI")
            for record in ArchiveIterator(file)
            if record.rec_type == "response" and len(record.content_stream().read()) > 1000
        ]


def credited() -> dict[str, str]:
    """License by collection or page."""
    rows = ROW.findall((SAMPLE / "CREDITS.md").read_text())
    return {name: licence.strip() for name, licence in rows}


def test_every_collection_is_credited_under_the_licence_that_its_records_carry() -> None:
    found = {(record["collection"], record["license"]) for record in records()}
    assert {licence for _, licence in found} <= ALLOWED
    credits = credited()
    assert {(name, credits.get(name)) for name, _ in found} == found
    addresses = {url.removesuffix("?again") for url in pages()}
    assert addresses <= credits.keys()
    assert {credits[url] for url in addresses} <= ALLOWED
    unused = credits.keys() - {name for name, _ in found} - addresses
    assert unused == {"collection", "page", "---"}


def test_the_sample_is_small_and_varied() -> None:
    sizes = {path.name: path.stat().st_size for path in SAMPLE.iterdir()}
    assert max(sizes.values()) < 5_000_000
    assert 3_000_000 < sum(sizes.values()) < 8_000_000
    assert len({record["collection"] for record in records()}) >= 25
    spoken = Counter(record["lang"] for record in records())
    assert sum(count >= 5 for count in spoken.values()) >= 15
    from pipeline.text.script import script

    scripts = Counter(script(record.get("text") or record["body"]) for record in records())
    assert {"Latn", "Cyrl", "Arab", "Deva", "Hani"} <= {
        name for name, n in scripts.items() if n > 3
    }


def test_duplicates_are_planted() -> None:
    texts = {record["id"]: record.get("text") or record["body"] for record in records()}
    copies = [name for name in texts if name.endswith("-copy")]
    near = [name for name in texts if name.endswith("-near")]
    assert len(copies) >= 30
    assert len(near) >= 20
    assert all(texts[name] == texts[name.removesuffix("-copy")] for name in copies)
    changed = [name for name in near if texts[name] != texts[name.removesuffix("-near")]]
    assert len(changed) >= 20


def test_every_file_is_a_source_of_the_quick_start() -> None:
    config = yaml.safe_load((ROOT / "examples" / "quickstart.yaml").read_text())
    named = {Path(source["path"]).name for source in config["sources"]}
    assert named == {path.name for path in SAMPLE.iterdir()} - {"CREDITS.md"}
