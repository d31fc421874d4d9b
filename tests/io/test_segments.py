"""Segments: slices of whole documents by the tokens of the whole, counted to the last byte."""

import dataclasses
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.formats import http, warc
from tokenizers import Tokenizer

from pipeline.io.generations import IngestOptions, claim, commit, make_plan, new_inputs
from pipeline.io.identity import segment_id
from pipeline.io.ingest import IngestTask, run_ingest_task
from pipeline.io.inputs import InputFile, Unit, find_inputs
from pipeline.io.parts import PartReader
from pipeline.io.records import Cut, ReadOptions, Segmentation
from pipeline.io.segments import cut
from pipeline.io.store import open_store
from pipeline.io.tally import figures_by_source, records_sound, records_taken
from pipeline.io.tokenizer import SHIPPED
from pipeline.io.workspace import Workspace
from schemas.errors import ConfigurationError
from schemas.tables import DOCUMENTS, SEGMENTS

PROSE = "The farmer threw the grain into the wind; the chaff flew off, and the barley fell.\n"
MIXED = "naïve 😀😀 ﷺ 中文字符 e\u0301 \u200d\r\n  🏳️‍🌈 " * 5


def into(tokens: int = 7, remainder: str = "drop", tokenizer: str = "shipped") -> Segmentation:
    return Segmentation(tokenizer, "digest", tokens, remainder)


def pieces(text: str, ends: Sequence[int]) -> list[str]:
    return [text[start:end] for start, end in zip((0, *ends), ends, strict=False)]


def expected(text: str, tokens: int, remainder: str) -> list[str]:
    """By bytes: a character of this vocabulary's tokens stands for one byte of the text."""
    found = Tokenizer.from_file(str(SHIPPED)).encode(text, add_special_tokens=False).tokens
    ends = []
    for number in range(tokens, len(found), tokens):
        before = text.encode()[: sum(map(len, found[:number]))]
        ends.append(len(before.decode(errors="ignore")))
    if remainder == "keep" or len(found) % tokens == 0:
        ends.append(len(text))
    return [piece for piece in pieces(text, ends) if piece]


@pytest.mark.parametrize("remainder", ["drop", "keep"])
@pytest.mark.parametrize("tokens", [1, 2, 3, 7, 64, 10_000])
@pytest.mark.parametrize("text", [PROSE, PROSE * 30, MIXED, "a", " \n", "中" * 50])
def test_cuts_are_those_of_the_whole_texts_tokens(text: str, tokens: int, remainder: str) -> None:
    found = cut(text, into(tokens, remainder))
    assert pieces(text, found.ends) == expected(text, tokens, remainder)


@given(text=st.text(min_size=1, max_size=200), tokens=st.integers(1, 9))
def test_kept_remainders_give_the_text_again(text: str, tokens: int) -> None:
    kept, dropped = cut(text, into(tokens, "keep")), cut(text, into(tokens, "drop"))
    assert "".join(pieces(text, kept.ends)) == text
    assert all(pieces(text, kept.ends))
    assert kept.dropped_tokens == 0
    assert kept.ends[: len(dropped.ends)] == dropped.ends
    assert len(kept.ends) - len(dropped.ends) in (0, 1)


def test_only_the_tokens_after_the_last_whole_segment_are_dropped() -> None:
    total = len(Tokenizer.from_file(str(SHIPPED)).encode(PROSE).ids)
    assert cut(PROSE, into(total)) == Cut((len(PROSE),), 0)
    assert cut(PROSE, into(total + 1)) == Cut((), total)
    assert cut(PROSE * 2, into(total)).dropped_tokens == 0
    assert cut(PROSE, into(total - 1)).dropped_tokens == 1


def test_blanks_belong_to_tokens_however_the_tokenizer_tells_their_offsets(tmp_path: Path) -> None:
    content = json.loads(SHIPPED.read_text("utf-8"))
    trimming = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    content["post_processor"] = {**trimming, "use_regex": True}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content))
    text = "one two  three   four " * 20
    assert cut(text, into(3, tokenizer=str(path))) == cut(text, into(3))


def test_what_no_token_covers_stays_with_the_segment_before(tmp_path: Path) -> None:
    vocabulary = {"a": 0, "b": 1, "[UNK]": 2}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}
    content = json.loads(SHIPPED.read_text("utf-8"))
    content |= {"model": model, "pre_tokenizer": {"type": "Whitespace"}, "decoder": None}
    content |= {"added_tokens": []}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content))
    text = "  a b   a b\n\na  "
    assert pieces(text, cut(text, into(2, "keep", str(path))).ends) == [
        "  a b   ",
        "a b\n\n",
        "a  ",
    ]
    assert pieces(text, cut(text, into(1, "drop", str(path))).ends)[-1] == "a  "


def run(folder: Path, file: Path, kind: str, options: ReadOptions, **more: Any) -> pa.Table:
    """The documents of one file, read into a workspace of its own."""
    Workspace(open_store(str(folder))).create()
    stat = file.stat()
    source = InputFile("s", file.name, str(file), stat.st_size, str(stat.st_mtime_ns), kind)
    task = IngestTask(str(folder), 1, 0, (Unit(source, 0, -1),), options, 10**9)
    run_ingest_task(dataclasses.replace(task, **more))
    parts = sorted(folder.glob("documents/*.parquet"))
    return pa.concat_tables(map(pq.read_table, parts)) if parts else pa.table({})


def told(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("documents/_tasks/000001/000000.json")
    (tally,) = json.loads(path.read_text())["tallies"]
    return cast("dict[str, Any]", tally)


def write(folder: Path, kind: str, texts: Sequence[str]) -> Path:
    path = folder / f"x.{kind}"
    records = [{"text": text, "kind": str(n), "more": n} for n, text in enumerate(texts)]
    match kind:
        case "jsonl":
            path.write_text("".join(json.dumps(record) + "\n" for record in records))
        case "parquet":
            pq.write_table(pa.Table.from_pylist(records), path)
        case "warc":
            pages = [http(f"<p>{text}</p>".encode()) for text in texts]
            path.write_bytes(
                gzip.compress(b"".join(warc(p, number=n) for n, p in enumerate(pages)))
            )
        case "html":
            path.write_text("".join(f"<p>{text}</p>" for text in texts))
        case _:
            path.write_text("\n".join(texts))
    return path


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "text", "html", "warc"])
def test_every_format_gives_the_segments_of_its_whole_documents(kind: str, tmp_path: Path) -> None:
    file = write(tmp_path, kind, [PROSE * 3, "short", MIXED, PROSE])
    options = ReadOptions(columns={"kind": "kind"}, types={"kind": "string"})
    if kind not in ("jsonl", "parquet"):
        options = ReadOptions()
    whole = run(tmp_path / "whole", file, kind, options)
    found = run(tmp_path / "cut", file, kind, dataclasses.replace(options, segment=into(8, "keep")))
    own = [*DOCUMENTS.names, *SEGMENTS.names]
    assert found.schema.names == [*own, *options.columns, "metadata"]
    rows = found.to_pylist()
    for document in whole.to_pylist():
        mine = [row for row in rows if row["parent_id"] == document["id"]]
        assert [row["text"] for row in mine] == expected(document["text"], 8, "keep")
        for index, row in enumerate(mine):
            assert row["id"] == segment_id(document["id"], index)
            assert row["segment_index"] == index
            assert document["text"][row["segment_start"] : row["segment_end"]] == row["text"]
            assert (row["n_chars"], row["n_bytes"]) == (len(row["text"]), len(row["text"].encode()))
            same = set(document) - {"id", "text", "n_chars", "n_bytes"}
            assert {name: row[name] for name in same} == {name: document[name] for name in same}
    assert {row["parent_id"] for row in rows} == set(whole["id"].to_pylist())


def test_what_is_dropped_is_counted(tmp_path: Path) -> None:
    texts = [PROSE * 3, "short", "", MIXED]
    file = write(tmp_path, "jsonl", texts)
    found = run(tmp_path / "work", file, "jsonl", ReadOptions(segment=into(30)))
    tally = told(tmp_path / "work")
    whole = Tokenizer.from_file(str(SHIPPED))
    tokens = [len(whole.encode(text).ids) for text in texts]
    kept = [expected(text, 30, "drop") if text else [] for text in texts]
    assert tally["records"] == 4
    assert tally["rejects"] == {"empty": 1}
    assert tally["passed_over"] == {"shorter than a segment": 1}
    assert tally["documents"] == len(found) == sum(map(len, kept))
    assert tally["bytes"] == sum(found["n_bytes"].to_pylist())
    size = sum(len(text.encode()) for text in texts)
    assert tally["segments"] == {
        "parents": 2,
        "segments": len(found),
        "dropped_remainders": 3,
        "dropped_tokens": sum(count % 30 for count in tokens),
        "dropped_bytes": size - tally["bytes"],
    }
    assert (records_taken(tally), records_sound(tally)) == (2, 3)


def test_the_size_of_a_part_changes_no_row_and_parts_no_document(tmp_path: Path) -> None:
    file = write(tmp_path, "jsonl", [PROSE * n for n in range(1, 40)])
    options = ReadOptions(segment=into(16, "keep"))
    one = run(tmp_path / "one", file, "jsonl", options)
    many = run(tmp_path / "many", file, "jsonl", options, part_bytes=3000)
    assert many == one
    parts = sorted((tmp_path / "many/documents").glob("*.parquet"))
    parents = [set(pq.read_table(path)["parent_id"].to_pylist()) for path in parts]
    assert len(parts) > 5
    assert sum(map(len, parents)) == len(set().union(*parents)) == 39


def test_a_task_goes_on_after_its_committed_pieces(tmp_path: Path) -> None:
    file = write(tmp_path, "jsonl", [PROSE * n for n in range(1, 40)])
    options = ReadOptions(segment=into(16))
    whole = run(tmp_path / "one", file, "jsonl", options, part_bytes=3000)
    first = tmp_path / "two/documents/000001-000000-000000.parquet"
    first.parent.mkdir(parents=True)
    first.write_bytes((tmp_path / "one/documents" / first.name).read_bytes())
    assert run(tmp_path / "two", file, "jsonl", options, part_bytes=3000) == whole
    assert told(tmp_path / "two") == told(tmp_path / "one")


def test_a_trial_takes_whole_documents(tmp_path: Path) -> None:
    file = write(tmp_path, "jsonl", [f"{n} {PROSE}" for n in range(60)])
    whole = run(tmp_path / "whole", file, "jsonl", ReadOptions(), share=0.3)
    options = ReadOptions(segment=into(16, "keep"))
    found = run(tmp_path / "cut", file, "jsonl", options, share=0.3)
    assert 5 < len(whole) < 35
    assert list(dict.fromkeys(found["parent_id"].to_pylist())) == whole["id"].to_pylist()


def test_segments_of_a_document_with_much_beside_its_text_are_read_in_bounded_groups(
    tmp_path: Path,
) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps({"text": PROSE * 50, "much": "m" * 1_000_000}) + "\n")
    found = run(tmp_path / "work", file, "jsonl", ReadOptions(segment=into(16, "keep")))
    (part,) = (tmp_path / "work/documents").glob("*.parquet")
    metadata = pq.read_metadata(part)
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    assert max(rows) <= 9
    assert sum(rows) == len(found) > 50


def ingest(folder: Path, options: ReadOptions, pattern: str = "in/*.jsonl") -> Workspace:
    """Read what is new of one source, as a run does."""
    workspace = Workspace(open_store(str(folder / "work")))
    workspace.create()
    inputs = {"s": find_inputs("s", [str(folder / pattern)], None)}
    asked = IngestOptions(10**9, 0.5, accept_changes=False, read={"s": options})
    new = new_inputs(workspace.generations(), inputs, asked)
    plan = make_plan(new, asked)
    number = claim(workspace, plan)
    assert number is not None
    tasks = plan.ingest_tasks(workspace.store.root, number)
    commit(workspace, number, plan, [run_ingest_task(task) for task in tasks])
    return workspace


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    write(tmp_path / "in", "jsonl", [PROSE * 3, MIXED])
    return tmp_path


def add(folder: Path) -> None:
    (folder / "in/y.jsonl").write_text(json.dumps({"text": PROSE}) + "\n")


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (None, r"sources\.s: segment\.remainder was \"drop\" .* now it is null.*--reingest"),
        (into(8), r"segment\.tokens was 7 when .*, now it is 8.*new workspace"),
        (into(7, "keep"), r"segment\.remainder was \"drop\" .* \"keep\""),
        (Segmentation("shipped", "other", 7), r"segment\.tokenizer was \"digest\""),
    ],
)
def test_documents_are_not_mixed_with_others_cut_otherwise(
    corpus: Path, now: Segmentation | None, message: str
) -> None:
    ingest(corpus, ReadOptions(segment=into()))
    with pytest.raises(ConfigurationError, match=message):
        ingest(corpus, ReadOptions(segment=now))


def test_where_the_tokenizer_lies_says_nothing(corpus: Path) -> None:
    ingest(corpus, ReadOptions(segment=into()))
    (corpus / "other.json").write_bytes(SHIPPED.read_bytes())
    add(corpus)
    workspace = ingest(corpus, ReadOptions(segment=into(tokenizer=str(corpus / "other.json"))))
    assert len(workspace.generations()) == 2
    assert figures_by_source(workspace.generations())["s"].segments["parents"] == 3


def test_another_version_of_the_tokenizers_is_refused_for_new_files_only(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(corpus, ReadOptions(segment=into()))
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0")
    monkeypatch.setattr("pipeline.io.generations.extraction_version", lambda: "same")
    workspace = Workspace(open_store(str(corpus / "work")))
    records = [{**record, "extraction": "same"} for record in workspace.generations()]
    asked = IngestOptions(10**9, 0.5, False, {"s": ReadOptions(segment=into())})
    inputs = {"s": find_inputs("s", [str(corpus / "in")], None)}
    assert new_inputs(records, inputs, asked) == []
    add(corpus)
    inputs = {"s": find_inputs("s", [str(corpus / "in")], None)}
    with pytest.raises(
        ConfigurationError, match=r"cut by tokenizers .*would be by tokenizers 0\.0"
    ):
        new_inputs(records, inputs, asked)


def test_a_workspace_from_before_there_were_segments_goes_on(corpus: Path) -> None:
    workspace = ingest(corpus, ReadOptions())
    (path,) = (corpus / "work/documents/_index").glob("*/generation.json")
    record = json.loads(path.read_text())
    assert not [key for key in record["read"]["s"] if "segment" in key]
    for item in record["inputs"]:
        del item["segments"]
    path.write_text(json.dumps(record))
    add(corpus)
    ingest(corpus, ReadOptions())
    assert figures_by_source(workspace.generations())["s"].documents == 3


def test_a_part_without_the_columns_of_segments_gives_nulls_of_their_types(corpus: Path) -> None:
    workspace = ingest(corpus, ReadOptions())
    (part,) = workspace.documents()
    with PartReader(workspace.store, part.path, part.ids) as reader:
        batch = reader.read(0, SEGMENTS.names)
    assert batch.schema.types == SEGMENTS.types
    assert batch.to_pylist() == [dict.fromkeys(SEGMENTS.names)] * 2
