from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import JsonValue

from jobs.parameters import ParameterError, bind, exists, resolve, resolve_files
from pipeline.stages.base import File


@dataclass(frozen=True, kw_only=True)
class Plain:
    """A dataclass without a pydantic configuration of its own."""

    one: int
    model: File | None = None
    several: tuple[File, ...] = ()
    word: str = "x"


@pytest.mark.parametrize(
    ("values", "key", "message"),
    [
        ({"one": 1, "modle": "x"}, "modle", "unknown key; did you mean 'model'?"),
        ({"one": "1"}, "one", 'should be an integer, not "1"'),
        ({"one": True}, "one", "should be an integer, not true"),
        ({"one": {}}, "one", "should be an integer, not a mapping"),
        ({}, "one", "is required"),
        ({"one": 1, "several": "x"}, "several", 'should be a list, not "x"'),
    ],
)
def test_wrong_values_are_refused(values: dict[str, JsonValue], key: str, message: str) -> None:
    with pytest.raises(ParameterError) as raised:
        bind(Plain, values)
    assert raised.value.problems == (((key,), message),)


def test_values_are_bound() -> None:
    assert bind(Plain, {"one": 1, "several": ["a"]}) == Plain(one=1, several=("a",))


def test_files_are_made_absolute(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_text("")
    values: dict[str, JsonValue] = {
        "model": "a.bin",
        "several": ["*.bin", "shipped", "s3://bucket/x"],
        "word": "a.bin",
    }
    assert resolve_files(Plain, values, tmp_path) == {
        "model": f"{tmp_path}/a.bin",
        "several": [f"{tmp_path}/*.bin", "shipped", "s3://bucket/x"],
        "word": "a.bin",
    }
    assert resolve_files(Plain, {"model": None, "one": 1}, tmp_path) == {"model": None, "one": 1}


def test_every_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_text("")
    with pytest.raises(ParameterError) as raised:
        resolve_files(Plain, {"model": "modl.bin", "several": ["no/x"]}, tmp_path)
    first, second = (message for _, message in raised.value.problems)
    assert first.startswith("no file 'modl.bin'")
    assert first.endswith("did you mean 'model.bin'?")
    assert second == f"no file 'no/x' (there is no folder {tmp_path}/no)"


def test_absolute_paths_and_homes_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve("/a/b", Path("/elsewhere")) == "/a/b"
    assert resolve("~/b", Path("/elsewhere")) == f"{tmp_path}/b"
    assert not exists(f"{tmp_path}/b")
