"""Makes the bundled sample from larger data sets; run once, its output is committed.

    WINNOW_SHARED_DATA=FOLDER python examples/make_sample.py

Every document's licence allows it (CREDITS.md); the same input gives the same bytes.
"""

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from warcio.archiveiterator import ArchiveIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

HERE = Path(__file__).parent / "sample"
SHARED = Path(os.environ.get("WINNOW_SHARED_DATA", Path(__file__).parents[2] / "shared")) / "data"

LICENCES = {
    "CC0-1.0": "CC0-1.0",
    "CC0": "CC0-1.0",
    "CC0/PD": "CC0-1.0",
    "CC0/public domain": "PD",
    "PD": "PD",
    "public domain": "PD",
    "CC-BY-4.0": "CC-BY-4.0",
    "CC-BY-4.0 (UCI)": "CC-BY-4.0",
    "CC-BY-SA-3.0": "CC-BY-SA-3.0",
    "CC-BY-SA-4.0": "CC-BY-SA-4.0",
    "Apache-2.0": "Apache-2.0",
    "MIT/Apache-2.0": "MIT OR Apache-2.0",
    "MIT/UN": "MIT",
}
"""The licences that are taken, and what they are called in the sample."""

NON_COMMERCIAL = (
    "openstax-american-government", "openstax-anatomy-physiology", "openstax-business-law",
    "openstax-introductory-statistics-bundle", "openstax-principles-marketing",
)  # fmt: skip
"""Books whose repository names another licence than the data set does, or none that is sure."""

KILOBYTES = {
    "library": {
        "se-": 70, "openstax-": 130, "onestop": 250, "wikitext2": 150, "rust-book": 120,
        "math-hott": 120, "inaugural": 120, "state-union": 100, "tinyshakespeare": 60,
    },
    "reference": {
        "law-dc": 350, "law-de": 350, "medquad": 250, "med-abstracts": 200, "18f-guides": 150,
        "gtfs-spec": 120, "agxqa": 60,
    },
    "languages": {"leipzig-lingua": 1300, "udhr": 400},
    "messages": {"sms-spam": 160, "tate-collection": 80},
}  # fmt: skip
"""How much is taken: source of the quick start -> beginning of a collection's name -> KB each."""

BOILERPLATE = ("HPND", "ISC", "X11", "Zlib", "BSL", "PostgreSQL", "OFL", "UPL")
"""Families of licence texts, which differ in few words."""

PAGES = {
    "http://readability.invalid/wikipedia": "https://en.wikipedia.org/wiki/Mozilla",
    "http://readability.invalid/001": (
        "https://nicolas.perriault.net/code/2013/get-your-frontend-javascript-code-covered/"
    ),
    **{
        url: url
        for url in (
            "https://journal.3960.org/posts/2019-12-22-firefox-weniger-werbung-mehr-speed-unter-android/",
            "https://creativecommons.org/about/",
            "https://www.ihrwebprofi.at/2011/09/17/publikumsvoting-beim-wiener-content-award-gestartet/",
            "https://damianduchamps.wordpress.com/2019/08/03/office-365-hbdi-die-dritte/",
            "http://www.panarmenian.net/eng/news/275221/",
            "https://murdeltas.wordpress.com/2015/04/05/barcamp-graz-2015-politcamp-call-for-action/",
            "https://1hundetagebuch.wordpress.com/2019/10/31/nach-viel-zu-langer-zeit-mal-wieder/",
            "https://ritinardo.wordpress.com/2017/11/26/bundesregierung-2017-btw17-groko/",
            "https://soldaini.net/",
            "http://en.wikipedia.org/wiki/Main_Page",
            "http://wikimediafoundation.org/wiki/SOPA/Blackoutpage",
        )
    },
}
"""Pages that state a free licence for all of their site: where they lie -> where they are from."""

ARCHIVES = (
    "extract/pages.warc.gz",
    "warc/dolma/sample-0000.warc.gz",
    "warc/warc-ukwa/wikipedia-sopa-blackout-2012/wikipedia-post-blackout/main-page.warc.gz",
    "warc/warc-ukwa/wikipedia-sopa-blackout-2012/wikipedia-post-blackout/post-blackout.warc.gz",
)

CANONICAL = re.compile(rb'rel="canonical" href="([^"]+)"')

REJECTS = (
    b'{"id": "no text at all"}\n'
    b'{"id": "an empty text", "text": "  "}\n'
    b'{"id": "a number for a text", "text": 42}\n'
    b"this line is not JSON\n"
    b'{"id": "bytes that are not UTF-8", "text": "na\xefve"}\n'
)

Record = dict[str, str]
Sample = dict[str, list[Record]]


def place(name: str) -> str:
    """A fixed shuffle."""
    return hashlib.sha256(name.encode()).hexdigest()


def decompress(path: str) -> io.BufferedReader:
    """A stream of a file's content."""
    raw = zstandard.ZstdDecompressor().stream_reader((SHARED / path).open("rb"))
    return io.BufferedReader(raw, 1 << 20)


def chosen() -> Sample:
    """Documents under the allowed licences, by the source that they go to."""
    budgets = {
        start: (source, 1000 * size)
        for source, sizes in KILOBYTES.items()
        for start, size in sizes.items()
    }
    records = [json.loads(line) for line in decompress("corpus/mixed.jsonl.zst")]
    taken: Counter[str] = Counter()
    found: Sample = {source: [] for source in KILOBYTES}
    for record in sorted(records, key=lambda r: place(r["id"])):
        collection = record["source"]
        start = next((s for s in budgets if collection.startswith(s)), None)
        licence = LICENCES.get(record["license"])
        if start is None or licence is None or collection in NON_COMMERCIAL:
            continue
        source, limit = budgets[start]
        if len(record["text"]) > 40_000 or taken[collection] > limit:
            continue
        taken[collection] += len(record["text"].encode())
        found[source].append(
            {
                "id": record["id"],
                "text": record["text"],
                "collection": collection,
                "domain": record["domain"],
                "lang": record["lang"],
                "license": licence,
            }
        )
    return found


def boilerplate() -> list[Record]:
    """Licence texts of the SPDX list: natural near-duplicates that nobody wants a thousand of."""
    found = []
    with tarfile.open(fileobj=decompress("neardup/spdx-licenses.tar.zst"), mode="r|") as tar:
        for member in tar:
            name = Path(member.name).stem
            file = tar.extractfile(member)
            if file is None or not name.startswith(BOILERPLATE):
                continue
            body = ElementTree.parse(file).find(".//{*}text")  # noqa: S314
            assert body is not None
            lines = (" ".join(piece.split()) for piece in body.itertext())
            found.append(
                {
                    "id": f"spdx-{name}",
                    "text": "\n".join(line for line in lines if line),
                    "collection": "spdx-licenses",
                    "domain": "Law",
                    "lang": "en",
                    "license": "CC0-1.0",
                }
            )
    return sorted(found, key=lambda record: record["id"])


def plant(sample: Sample) -> Sample:
    """Add copies of documents, exact and with a sentence added, to the source after their own."""
    sources = list(sample)
    planted: Sample = {source: list(records) for source, records in sample.items()}
    for source, target in zip(sources, [*sources[1:], sources[0]], strict=True):
        for record in sample[source][:300:20]:
            planted[target].append({**record, "id": f"{record['id']}-copy"})
        for record in sample[source][7:300:30]:
            text = record["text"].replace(". ", ". And so on. ", 1)
            planted[target].append({**record, "id": f"{record['id']}-near", "text": text})
    return {
        source: sorted(records, key=lambda r: place(r["id"])) for source, records in planted.items()
    }


def pages() -> Iterator[tuple[str, str, str, bytes]]:
    """Address, status, type and content of what the web archive is to hold."""
    with tarfile.open(fileobj=decompress("extract/dclm-html.tar.zst"), mode="r|") as tar:
        for member in tar:
            name = Path(member.name).name
            file = tar.extractfile(member)
            if file is not None and name.startswith("wikipedia"):
                page = file.read()
                address = CANONICAL.search(page)
                assert address is not None
                yield address[1].decode(), "200 OK", "text/html", page
    for archive in ARCHIVES:
        with (SHARED / archive).open("rb") as file:
            for record in ArchiveIterator(file):
                url = PAGES.get(record.rec_headers.get_header("WARC-Target-URI") or "")
                if record.rec_type == "response" and url is not None:
                    kind = record.http_headers.get_header("Content-Type")
                    yield url, "200 OK", kind, record.content_stream().read()


def beside(found: list[tuple[str, str, str, bytes]]) -> list[tuple[str, str, str, bytes]]:
    """What else a crawl brings home: errors, redirects, pictures, the same page twice."""
    first, second = found[0], found[1]
    return [
        (f"{first[0]}?again", *first[1:]),
        (f"{first[0]}-gone", "404 Not Found", "text/html", b"<p>This page is gone.</p>"),
        (f"{second[0]}-gone", "404 Not Found", "text/html", b"<p>This page is gone.</p>"),
        (f"{second[0]}-moved", "301 Moved Permanently", "text/html", b""),
        ("https://en.wikipedia.org/dot.gif", "200 OK", "image/gif", b"GIF89a\1\0\1\0\0\0\0;"),
        ("https://en.wikipedia.org/blank", "200 OK", "text/html", b"<html><body></body></html>"),
    ]


def write_pages() -> None:
    """The web archive, each record with its request."""
    found = sorted(set(pages()))
    with (HERE / "pages.warc.gz").open("wb") as out:
        writer = WARCWriter(out, gzip=True)
        for url, status, kind, content in [*found, *beside(found)]:
            for record_type in ("request", "response"):
                asked = record_type == "request"
                headers = StatusAndHeaders(
                    "GET / HTTP/1.1" if asked else status,
                    [("Content-Type", kind)] if not asked else [("Accept", "*/*")],
                    protocol="" if asked else "HTTP/1.1",
                    is_http_request=asked,
                )
                told = {
                    "WARC-Record-ID": f"<urn:sha256:{place(record_type + url)[:32]}>",
                    "WARC-Date": "2023-01-01T00:00:00Z",
                }
                body = b"" if asked else content
                record = writer.create_warc_record(
                    url, record_type, io.BytesIO(body), len(body), warc_headers_dict=told,
                    http_headers=headers,
                )  # fmt: skip
                writer.write_record(record)


def lines(records: list[Record]) -> bytes:
    """JSONL."""
    return b"".join(json.dumps(r, ensure_ascii=False).encode() + b"\n" for r in records)


def main() -> None:
    """Write the sample's files."""
    HERE.mkdir(parents=True, exist_ok=True)
    sample = chosen()
    sample["messages"] += boilerplate()
    sample = plant(sample)
    (HERE / "library.jsonl.gz").write_bytes(gzip.compress(lines(sample["library"]), 9, mtime=0))
    (HERE / "languages.jsonl").write_bytes(lines(sample["languages"]))
    (HERE / "messages.jsonl").write_bytes(lines(sample["messages"]) + REJECTS)
    rows = [{"body": record.pop("text"), **record} for record in sample["reference"]]
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, HERE / "reference.parquet", compression="zstd", row_group_size=200)
    write_pages()
    for path in sorted(HERE.iterdir()):
        print(f"{path.stat().st_size:>10,}  {path.name}")


if __name__ == "__main__":
    main()
