"""Rules of a mixture, held against its rows."""

import pyarrow as pa
import pytest

from pipeline.export.formats import DataSet
from pipeline.export.row_checks import check_rules
from pipeline.io.edits import AppliedEdits, Edits


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        ("kept is not null", False),
        ("kept is not null and score > 2", False),
        ("n_bytes > 100", False),
        ("score > 1", False),
        ("score > 2", True),
    ],
)
def test_rules_of_an_edited_mixture_hold_as_far_as_its_rows_tell(where: str, wrong: bool) -> None:
    edits = AppliedEdits("edits", Edits(lines="kept"))
    manifest = {
        "config": {"where": where},
        "format": {"name": "parquet"},
        "seed": 1,
        "selection": {},
        "splits": {},
        "edits": {**edits.to_json(), "documents": 0, "removed": {}, "empty": 0},
    }
    rows = pa.record_batch([pa.array([20]), pa.array([2.0])], ["n_bytes", "score"])
    assert any(check_rules(manifest, DataSet("train", "", None), rows)) is wrong
