"""Makes the bundled sample from the larger data sets; run once, its output is committed.

    WINNOW_SHARED_DATA=... python examples/make_sample.py

Every document's licence allows it (CREDITS.md); the same input gives the same bytes.
"""

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

HERE = Path(__file__).parent / "sample"
SHARED = Path(os.environ.get("WINNOW_SHARED_DATA", Path(__file__).parents[2] / "shared")) / "data"
LICENCES = (
    "CC0-1.0", "CC0", "CC0/PD", "CC0/public domain", "PD", "public domain", "CC-BY-4.0",
    "CC-BY-4.0 (UCI)", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "MIT/Apache-2.0", "Apache-2.0", "MIT/UN",
)  # fmt: skip
PER_SOURCE = 60_000
"""Characters taken from each source."""

Record = dict[str, str]


def place(record: Record) -> str:
    """A fixed shuffle."""
    return hashlib.sha256(record["id"].encode()).hexdigest()


def chosen() -> list[Record]:
    """Documents under the allowed licences, evenly by source."""
    raw = zstandard.ZstdDecompressor().stream_reader((SHARED / "corpus/mixed.jsonl.zst").open("rb"))
    records = [json.loads(line) for line in io.TextIOWrapper(raw, "utf-8")]
    taken: dict[str, int] = {}
    found = []
    for record in sorted(records, key=place):
        source = record["source"].partition("-")[0]
        limit = 5 * PER_SOURCE if source in ("openstax", "leipzig") else PER_SOURCE
        if record["license"] not in LICENCES or len(record["text"]) > 40_000:
            continue
        if taken.get(source, 0) > limit:
            continue
        taken[source] = taken.get(source, 0) + len(record["text"])
        keys = ("id", "text", "source", "domain", "lang", "license")
        found.append({("collection" if k == "source" else k): record[k] for k in keys})
    return found


def planted(records: list[Record]) -> list[Record]:
    """Copies of documents, exact, and with a sentence changed."""
    copies = [{**r, "id": f"{r['id']}-copy"} for r in records[::25]]
    near = [
        {**r, "id": f"{r['id']}-near", "text": r["text"].replace(". ", ". And so on. ", 1)}
        for r in records[::40]
    ]
    return copies + near


def write_pages() -> None:
    """Wikipedia pages as a web archive."""
    with (SHARED / "extract/dclm-html.tar.zst").open("rb") as file:
        content = zstandard.ZstdDecompressor().stream_reader(file).read()
    with (
        (HERE / "pages.warc.gz").open("wb") as out,
        tarfile.open(fileobj=io.BytesIO(content)) as tar,
    ):
        writer = WARCWriter(out, gzip=True)
        for member in sorted(tar.getmembers(), key=lambda m: m.name):
            name = Path(member.name).name
            source = tar.extractfile(member)
            if not name.startswith("wikipedia") or source is None:
                continue
            page = source.read()
            for status, body in (("200 OK", page), ("404 Not Found", b"<p>gone</p>")):
                if status[0] == "4" and "1" not in name:
                    continue
                headers = StatusAndHeaders(
                    status, [("Content-Type", "text/html")], protocol="HTTP/1.1"
                )
                url = f"https://en.wikipedia.org/{name}{'' if status[0] == '2' else '-gone'}"
                digest = hashlib.sha256(url.encode()).hexdigest()
                told = {
                    "WARC-Record-ID": f"<urn:sha256:{digest[:32]}>",
                    "WARC-Date": "2023-01-01T00:00:00Z",
                }
                record = writer.create_warc_record(
                    url, "response", io.BytesIO(body), len(body), warc_headers_dict=told,
                    http_headers=headers,
                )  # fmt: skip
                writer.write_record(record)


def lines(records: list[Record]) -> bytes:
    return b"".join(json.dumps(r, ensure_ascii=False).encode() + b"\n" for r in records)


def main() -> None:
    """Write the sample's files."""
    HERE.mkdir(parents=True, exist_ok=True)
    records = chosen()
    records = sorted(records + planted(records), key=place)
    third = len(records) // 3
    (HERE / "library.jsonl.gz").write_bytes(gzip.compress(lines(records[:third]), 9, mtime=0))
    (HERE / "notes.jsonl").write_bytes(
        lines(records[third : third + third // 2]) + b'{"id": "no text"}\nnot JSON\n'
    )
    rest = records[third + third // 2 :]
    table = pa.Table.from_pylist([{**r, "body": r["text"]} for r in rest]).drop_columns("text")
    pq.write_table(table, HERE / "tables.parquet", compression="zstd", row_group_size=200)
    write_pages()
    print({path.name: path.stat().st_size for path in sorted(HERE.iterdir())}, len(records))


if __name__ == "__main__":
    main()
