"""The stage that measures edited texts: columns of every shape, and ranges that can't be."""

from collections.abc import Mapping

import pyarrow as pa
import pytest

from pipeline.io.edits import RangesError, is_ranges
from pipeline.io.tokenizer import load_tokenizer
from pipeline.stages.edits import EditTexts
from pipeline.stages.isolated import IsolatedStage
from schemas.errors import WinnowError
from schemas.tables import RANGES

TEXT = "𝔘nicode e\u0301\r\nline two"
PAIRS = pa.list_(pa.list_(pa.int64()))


def batch(texts: list[str], **columns: pa.Array) -> pa.RecordBatch:
    ids = pa.array([f"{n:032x}" for n in range(len(texts))])
    return pa.record_batch(
        [ids, pa.array(texts, pa.string()), *columns.values()], ["id", "text", *columns]
    )


def spans(*rows: list[tuple[object, object, object]] | None) -> pa.Array:
    given = [
        None if row is None else [{"start": a, "end": b, "kind": c} for a, b, c in row]
        for row in rows
    ]
    return pa.array(given, RANGES)


def test_tokens_bytes_and_what_was_taken_are_those_of_the_edited_text() -> None:
    stage = EditTexts(lines="kept", substrings="repeated", redaction="pii")
    assert stage.columns_read() == ("id", "text", "kept", "repeated", "pii")
    kept = pa.array([[[0, 12]], None, [], None], PAIRS)
    repeated = pa.array([None, [[0, 8]], None, None], PAIRS)
    pii = spans([(0, 7, "name")], [(12, 16, None)], [], None)
    found = stage.apply(batch([TEXT] * 4, kept=kept, repeated=repeated, pii=pii))
    texts = ["<name> e\u0301\r\n", "e\u0301\r\n<redacted> two", ""]
    tokenizer = load_tokenizer("shipped")
    rows = found.to_pylist()
    for row, text, taken in zip(rows, texts, [(8, 0, 7), (0, 8, 4), (20, 0, 0)], strict=False):
        assert row == {
            "edited_n_tokens": len(tokenizer.encode(text, add_special_tokens=False)),
            "edited_n_bytes": len(text.encode()),
            "edited": True,
            "edited_by_lines": taken[0],
            "edited_by_substrings": taken[1],
            "edited_by_redaction": taken[2],
            "empty_after_edit": not text,
            "status": "ok",
        }
    # Nobody has looked for what is to be redacted.
    assert rows[3].pop("status") == "skipped"
    assert set(rows[3].values()) == {None}


def test_a_text_of_which_blanks_are_left_is_empty() -> None:
    found = EditTexts(lines="kept").apply(batch(["a \n\u2003b"], kept=pa.array([[[1, 4]]], PAIRS)))
    assert found.column("empty_after_edit").to_pylist() == [True]
    assert found.column("edited_n_bytes").to_pylist() == [5]


@pytest.mark.parametrize(
    "kind",
    [
        PAIRS,
        pa.large_list(pa.list_(pa.int32(), 2)),
        RANGES,
        pa.list_(pa.struct([("end", pa.int32()), ("start", pa.uint8())])),
    ],
)
def test_ranges_of_every_shape_mean_the_same(kind: pa.DataType) -> None:
    assert is_ranges(kind)
    pairs = pa.types.is_struct(kind.value_type)
    rows: list[object] = [
        [{"start": 0, "end": 1}, {"start": 3, "end": 4}] if pairs else [[0, 1], [3, 4]],
        None,
        [],
        [{"start": 2, "end": 3}] if pairs else [[2, 3]],
    ]
    texts = ["abcd", "abcd", "", "abcd"]
    stage = EditTexts(substrings="gone")
    for start in range(4):  # slices have an offset into the lists
        given = batch(texts, gone=pa.array(rows, kind)).slice(start)
        sizes = stage.apply(given).column("edited_n_bytes").to_pylist()
        assert sizes == [2, 4, 0, 3][start:]


def test_a_part_without_the_column_has_no_ranges() -> None:
    # Such a part is read as string nulls.
    given = batch(["abcd"], gone=pa.nulls(1, pa.string()))
    found = EditTexts(lines="gone", substrings="gone").apply(given)
    assert found.column("edited_n_bytes").to_pylist() == [4]
    assert EditTexts(redaction="gone").apply(given).column("status").to_pylist() == ["skipped"]


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (spans([(3, 21, "name")]), r"\[3, 21\), but its text has 20 code points"),
        (spans([(0, 2, "x"), (5, 4, "x")]), r"\[5, 4\)"),
        (spans([(-1, 4, "x")]), r"\[-1, 4\)"),
        (spans([(None, 4, "x")]), r"\[None, 4\)"),
        (pa.array([[None]], RANGES), r"\[None, None\)"),
        (pa.array([[[1, 2, 3]]], PAIRS), r"\[None, None\)"),
    ],
)
def test_a_range_outside_its_text_names_document_and_column(column: pa.Array, told: str) -> None:
    stage = EditTexts(redaction="pii")
    given = batch([TEXT], pii=column)
    with pytest.raises(
        RangesError, match=rf"^document 0{{32}}: the column pii has the range {told}"
    ):
        stage.apply(given)


def test_a_range_outside_its_text_is_no_rows_crash() -> None:
    with (
        IsolatedStage(EditTexts(redaction="pii")) as stage,
        pytest.raises(WinnowError, match=r"document 0+: the column pii has the range \[3, 21\)"),
    ):
        stage.apply(batch([TEXT], pii=spans([(3, 21, "name")])))


def test_an_edit_needs_a_column_and_a_column_ranges() -> None:
    with pytest.raises(ValueError, match="name a column of ranges: lines, substrings, redaction"):
        EditTexts().check()
    stage = EditTexts(lines="kept", redaction="pii")
    types: Mapping[str, pa.DataType] = {"kept": PAIRS, "pii": RANGES}
    stage.check_types(types)
    for kind in (pa.string(), pa.list_(pa.int64()), pa.list_(pa.struct([("start", pa.int64())]))):
        with pytest.raises(ValueError, match=r"redaction: 'pii' is .*; ranges are lists of"):
            stage.check_types({**types, "pii": kind})
