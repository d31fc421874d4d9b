"""The stage: columns, statuses, and what its fingerprint tells."""

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support import ROOT

from pipeline.select.expressions import compile_predicate
from pipeline.select.grammar import ExpressionError
from pipeline.stages.fingerprint import fingerprint
from raters.criteria import CRITERIA, DOMAINS
from raters.quality import Quality
from raters.student import SHIPPED, load_student
from schemas.tables import STATUSES, VALUES

PROSE = "The river rose in the night, and by morning the lower fields were gone."
HOSTILE = [
    "\0",
    "\x00\x01\x02\x1b[31m\x7f\x80\x9f",
    "\ufeff\ufffe\uffff\ufdd0\U0001fffe\U0010ffff\ufffd",
    "\u202e\u2066rtl\u2069\u202c \u200f\u200e",
    "e" + "\u0301" * 500,
    "👨\u200d👩\u200d👧\u200d👦🏽🇺🇦🇺" * 30,
    "ﷺ" * 50,
    "<|endoftext|><s></s>[CLS]<pad>",
    "漢" * 3000,
    "a" * 2**20,
    "ж" * 2**19,
    "{" * 2000,
    "... " * 2000,
    "İ" * 1999 + "ẞ",
    "\u2028\u2029x\x85" * 10,
]


def rate(
    texts: Sequence[str], languages: Sequence[str | None], stage: Quality | None = None
) -> pa.RecordBatch:
    columns = [pa.array(texts, pa.string()), pa.array(languages, pa.string())]
    return (stage or Quality()).apply(pa.record_batch(columns, ["text", "language"]))


def test_the_columns_are_those_of_the_contract() -> None:
    schema = Quality().schema()
    pairs = [name for c in CRITERIA for name in (c, f"{c}_expected")]
    assert schema.names == [
        *pairs, "overall_score_entropy", "domain", "domain_probability",
    ]  # fmt: skip
    assert all(schema.field(name).type == pa.int8() for name in CRITERIA)
    assert json.loads(schema.field("domain").metadata[VALUES]) == list("ABCDEFGHIJKLMNO")
    for texts in ([], [PROSE], HOSTILE):
        found = rate(texts, ["en"] * len(texts))
        assert found.schema.names == [*schema.names, "status"]
        assert found.schema.types[:-1] == schema.types
        assert len(found) == len(texts)


def test_another_domain_is_refused_before_any_work() -> None:
    fields = {"domain": Quality().schema().field("domain")}
    compile_predicate("domain = 'A' or domain in ('B', 'O')", fields)
    for wrong, letter in (("Medicine", "A"), ("finances", "B"), ("e-commerce", "L"), ("a", "A")):
        told = f"'{wrong}' is no value of domain; did you mean '{letter}'"
        with pytest.raises(ExpressionError, match=told):
            compile_predicate(f"domain = '{wrong}'", fields)


def test_a_row_has_a_status_and_a_rating_only_where_ok() -> None:
    texts = [PROSE, "", " \n\t\u3000", PROSE, PROSE, PROSE]
    found = rate(texts, ["en", "en", None, "de", "und", None])
    told = ["ok", "empty", "empty", *["unsupported_language"] * 3]
    assert found.column("status").to_pylist() == told
    assert set(told) <= set(STATUSES)
    for column in found.columns[:-1]:
        assert [value is None for value in column.to_pylist()] == [False, *[True] * 5]


def test_values_are_in_range_and_belong_together() -> None:
    texts = [PROSE, PROSE.upper() * 40, "buy now!!! free " * 9, *HOSTILE]
    for text, row in zip(texts, rate(texts, ["en"] * len(texts)).to_pylist(), strict=True):
        (rating,) = load_student(str(SHIPPED)).rate([text])
        assert row["status"] == "ok"
        for p, name in zip(rating.scores, CRITERIA, strict=True):
            assert row[name] == 1 + max(range(5), key=lambda k: (p[k], -k))
            assert row[f"{name}_expected"] == pytest.approx(sum((1 + k) * p[k] for k in range(5)))
            assert 1 <= row[f"{name}_expected"] <= 5
        spread = -sum(p * math.log(p) for p in rating.scores[-1] if p)
        assert row["overall_score_entropy"] == pytest.approx(spread, rel=1e-5)
        assert row["overall_score_entropy"] <= math.log(5) + 1e-6
        assert row["domain"] == [*DOMAINS][int(rating.domains.argmax())]
        assert 1 / 15 <= row["domain_probability"] <= 1


def test_of_equal_probabilities_the_lower_score_stands(tmp_path: Path) -> None:
    shipped = load_student(str(SHIPPED))
    # Half above the first cut and none above the second: 1 and 2 are as likely.
    cuts = np.tile([0.0, -800, -800, -800], (len(CRITERIA), 1))
    replace(shipped, slopes=np.zeros(len(CRITERIA)), cuts=cuts).save(tmp_path / "tied.npz")
    with np.errstate(over="ignore"):
        (row,) = rate([PROSE], ["en"], Quality(model=str(tmp_path / "tied.npz"))).to_pylist()
    assert {row[name] for name in CRITERIA} == {1}
    assert {row[f"{name}_expected"] for name in CRITERIA} == {1.5}
    assert row["overall_score_entropy"] == pytest.approx(math.log(2))


def test_rows_do_not_mind_their_neighbours() -> None:
    texts = [PROSE, *HOSTILE, "", PROSE * 60]
    languages = ["en"] * (len(texts) - 1) + ["de"]
    whole = rate(texts, languages)
    for cut in (0, 1, 7, len(texts)):
        parts = [rate(texts[:cut], languages[:cut]), rate(texts[cut:], languages[cut:])]
        assert pa.Table.from_batches(parts).equals(pa.Table.from_batches([whole]))
    assert rate(texts[::-1], languages[::-1]).to_pylist() == whole.to_pylist()[::-1]
    batch = pa.record_batch([pa.array(texts), pa.array(languages)], ["text", "language"])
    assert Quality().apply(batch.slice(3, 5)).to_pylist() == whole.to_pylist()[3:8]


def test_the_naughty_strings_are_rated(shared: Path) -> None:
    path = shared / "data" / "hostile" / "blns" / "blns.json"
    texts = json.loads(path.read_text(encoding="utf-8"))
    found = rate(texts, ["en"] * len(texts))
    assert set(found.column("status").to_pylist()) == {"ok", "empty"}
    assert found.equals(rate(texts, ["en"] * len(texts)))


def test_the_artefacts_content_counts_and_not_where_it_lies(tmp_path: Path) -> None:
    copy = tmp_path / "copy.npz"
    copy.write_bytes(SHIPPED.read_bytes())
    assert fingerprint(Quality(model=str(copy))) == fingerprint(Quality())
    student = load_student(str(SHIPPED))
    replace(student, languages=np.array(["de"])).save(tmp_path / "other.npz")
    other = Quality(model=str(tmp_path / "other.npz"))
    assert fingerprint(other) != fingerprint(Quality())
    assert rate([PROSE] * 2, ["en", "de"], other).column("status").to_pylist() == [
        "unsupported_language", "ok",
    ]  # fmt: skip


def test_a_model_that_can_not_be_read_is_refused(tmp_path: Path) -> None:
    Quality().check()
    (tmp_path / "x.npz").write_bytes(b"no artefact")
    with pytest.raises(ValueError, match=r"model: .*x\.npz is no artefact of a student"):
        Quality(model=str(tmp_path / "x.npz")).check()


def test_rating_needs_neither_torch_nor_spark() -> None:
    code = (
        "import sys, pyarrow as pa\n"
        "from raters.quality import Quality\n"
        "b = pa.record_batch([pa.array(['One line.']), pa.array(['en'])], ['text', 'language'])\n"
        "row, = Quality().apply(b).to_pylist()\n"
        "print(row['status'], sorted({'torch', 'pyspark', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split("\n")[0] == "ok []"
