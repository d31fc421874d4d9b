"""Files made to break readers, through every format: outcomes, and nothing else."""

import csv
import io
import json
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.formats import read, reasons, texts

from pipeline.io.formats import FORMATS, sniff
from pipeline.io.records import REASONS, Document, Outcome, ReadOptions, Reject

OPTIONS = ReadOptions(
    {"text": "text", "date": "date", "a": "a", "b": "b.c"},
    {"date": "timestamp", "a": "int", "b": "string"},
)
LINES = ReadOptions(unit="line")


def members(shared: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """The files of one of the packed collections."""
    packed = (shared / f"data/hostile/{name}.tar.zst").read_bytes()
    content = zstandard.ZstdDecompressor().stream_reader(packed).read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive.getmembers():
            if member.isfile() and (file := archive.extractfile(member)) is not None:
                yield member.name, file.read()


def everything(shared: Path) -> Iterator[tuple[str, bytes]]:
    for packed in sorted((shared / "data/hostile").glob("*.tar.zst")):
        yield from members(shared, packed.name.removesuffix(".tar.zst"))
    for folder in ("blns", "utf8"):
        for path in sorted((shared / "data/hostile" / folder).iterdir()):
            yield path.name, path.read_bytes()


def check(outcomes: list[Outcome]) -> None:
    """Every document can be stored as it is, every reject has a reason that there is."""
    for outcome in outcomes:
        if isinstance(outcome, Document):
            assert outcome.text.strip()
            "\n".join(filter(None, (outcome.text, outcome.url, outcome.metadata))).encode()
            json.loads(outcome.metadata or "{}")
        if isinstance(outcome, Reject):
            assert outcome.reason in REASONS, outcome
            assert len(outcome.detail or "") <= 200


@pytest.mark.parametrize("kind", FORMATS)
def test_every_file_through_every_reader(shared: Path, kind: str) -> None:
    for name, data in everything(shared):
        try:
            whole = read(kind, data, options=OPTIONS)
            check(whole)
            assert read(kind, data, skip=1, options=OPTIONS) == whole[1:]
            sniff(io.BytesIO(data))
        except Exception as error:
            raise AssertionError(f"{kind} reader, {name}") from error


def test_json_that_is_none_is_refused_and_json_is_not(shared: Path) -> None:
    for name, data in members(shared, "json"):
        value = data.replace(b"\r", b" ").replace(b"\n", b" ")
        test = Path(name).name
        wrapped = b'{"text": "words", "value": ' + value + b"}"
        found = read("jsonl", wrapped)
        check(found)
        if test.startswith("y_"):
            assert texts(found) == ["words"] or reasons(found) == ["invalid_unicode"], name
        # A file that ends early, or with more than a value, may be sound within another.
        elif test.startswith("n_") and read("jsonl", value):
            assert not texts(read("jsonl", value)), name


def test_gzip_that_go_refuses_is_not_read_as_whole(shared: Path) -> None:
    kinds = Counter(
        reason
        for _, data in members(shared, "fuzz-gzip")
        if data.startswith(b"\x1f\x8b")
        for reason in reasons(read("text", data))
    )
    assert kinds["truncated"] > 50


def test_html_of_the_parser_tests(shared: Path) -> None:
    for name, data in members(shared, "html5lib"):
        if not name.endswith(".test"):
            continue
        for case in json.loads(data).get("tests", []):
            page = case["input"].encode("utf-8", "replace")
            check(read("html", page))
            check(read("html", b"<body><p>" + page + b"</p>"))


def test_sound_parquet_is_read(shared: Path) -> None:
    readable = 0
    for name, data in members(shared, "parquet"):
        if name.endswith(".parquet"):
            found = read("parquet", data)
            readable += "unreadable" not in reasons(found)
    assert readable >= 15


def test_lines_of_naughty_strings_and_of_no_utf8(shared: Path) -> None:
    strings = json.loads((shared / "data/hostile/blns/blns.json").read_bytes())
    lines = "".join(json.dumps({"text": s, "id": s, "a": s, s: s}) + "\n" for s in strings)
    found = read("jsonl", lines.encode(), options=OPTIONS)
    check(found)
    assert texts(found) == [s for s in strings if s.strip()]
    for path in sorted((shared / "data/hostile/utf8").iterdir()):
        check(read("text", path.read_bytes(), options=LINES))
        check(read("jsonl", path.read_bytes()))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_real_archives_with_bytes_changed(shared: Path, data: st.DataObject) -> None:
    rows = (shared / "data/warc/MANIFEST.tsv").read_text().splitlines()[1:]
    small = [r["file"] for r in csv.DictReader(rows, delimiter="\t") if int(r["bytes"]) < 20_000]
    content = bytearray((shared / "data" / data.draw(st.sampled_from(small))).read_bytes())
    changes = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    for at, value in data.draw(st.lists(changes, max_size=8)):
        content[at] = value
    for kind in ("warc", "jsonl", "text"):
        whole = read(kind, bytes(content))
        check(whole)
        skip = data.draw(st.integers(0, len(whole)))
        assert read(kind, bytes(content), skip=skip) == whole[skip:]


@pytest.mark.parametrize("kind", FORMATS)
@given(data=st.binary(max_size=300))
def test_any_bytes_through_every_reader(kind: str, data: bytes) -> None:
    for head in (
        b"",
        b"PAR1",
        b"WARC/1.0\r\n",
        b"filedesc://x 0 20240101000000 t ",
        b"\x1f\x8b\x08\0",
    ):
        check(read(kind, head + data, options=OPTIONS))
        check(read(kind, head + data, options=LINES))


def test_a_page_too_deep_for_its_extractor_ends_in_a_reject(tmp_path: Path) -> None:
    """100,000 nested elements take minutes: such a page is to cost its limit and no more."""
    script = (
        "import sys; from pipeline.io.inputs import InputFile, Unit\n"
        "from pipeline.io.isolation import read_isolated\n"
        "from pipeline.io.records import ReadOptions\n"
        "file = InputFile('s', 'x', sys.argv[1], 1, '1', 'html')\n"
        "for o in read_isolated(Unit(file, 0, -1), ReadOptions(record_seconds=1), 0):"
        " print(o.reason)"
    )
    page = tmp_path / "deep.html"
    page.write_bytes(b"<div>" * 100_000 + b"words")
    command = [sys.executable, "-c", script, str(page)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60)
    assert done.stdout == b"timeout\n"
