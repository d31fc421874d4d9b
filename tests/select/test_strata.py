"""Strata: the groups of rows by their values of some columns."""

import json
import random

import pyarrow as pa
import pytest

from pipeline.select.strata import strata_of


@pytest.mark.parametrize("columns", [[], ["a"], ["b", "a"], ["a", "b", "c"]])
@pytest.mark.parametrize("rows", [0, 1, 50])
def test_each_stratum_is_there_once_and_is_its_rows_values(columns: list[str], rows: int) -> None:
    chance = random.Random(rows)
    batch = pa.record_batch(
        [
            pa.array(chance.choices(["x", "\u00e9", None], k=rows), pa.string()),
            pa.array(chance.choices([1, -2, None], k=rows), pa.int64()),
            pa.array(chance.choices([True, False, None], k=rows), pa.bool_()),
        ],
        ["a", "b", "c"],
    )
    codes, strata = strata_of(batch, columns)
    assert sorted(set(codes.tolist())) == list(range(len(strata)))
    assert [json.loads(strata[code]) for code in codes] == [
        [row[name] for name in columns] for row in batch.to_pylist()
    ]


def test_more_combinations_than_a_word_counts_are_told_apart() -> None:
    columns = [f"c{number}" for number in range(6)]
    batch = pa.record_batch(
        [pa.array([f"{name}-{row}" for row in range(3000)]) for name in columns], columns
    )
    codes, strata = strata_of(batch, columns)
    assert len(set(strata)) == 3000
    for row in (0, 1, 1234, 2999):
        assert json.loads(strata[codes[row]]) == [f"{name}-{row}" for name in columns]
