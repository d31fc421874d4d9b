"""The files that a source names, on a disk and in a bucket."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.formats import texts
from support.object_store import environment, s3_server

from pipeline.io.inputs import InputFile, Unit, find_inputs
from pipeline.io.reading import read_unit
from pipeline.io.records import ReadOptions
from pipeline.io.store import Store, open_store
from schemas.errors import ConfigurationError

NAMES = [
    "a.jsonl",
    "b #1?.jsonl",
    "deep/c.jsonl",
    "deep/er/d.jsonl",
    ".hidden/e.jsonl",
    "_temporary/f.jsonl",
    "deep/_SUCCESS",
    "other.txt",
]


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    with s3_server("inputs") as settings, environment(settings):
        yield


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder of files, by path and by URL."""
    root = str(tmp_path)
    if request.param == "s3":
        request.getfixturevalue("server")
        root = f"s3://inputs/in put/{tmp_path.name}"
    store: Store = open_store(root)
    for name in NAMES:
        store.create(name, json.dumps({"text": name}).encode())
    return root


def found(*entries: str) -> list[InputFile]:
    return find_inputs("s", entries, None)


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ("", ["a.jsonl", "b #1?.jsonl", "deep/c.jsonl", "deep/er/d.jsonl", "other.txt"]),
        ("/", ["a.jsonl", "b #1?.jsonl", "deep/c.jsonl", "deep/er/d.jsonl", "other.txt"]),
        ("/a.jsonl", ["a.jsonl"]),
        ("/*.jsonl", ["a.jsonl", "b #1?.jsonl"]),
        ("/**/[a-e]*.jsonl", ["a.jsonl", "b #1?.jsonl", "deep/c.jsonl", "deep/er/d.jsonl"]),
        ("/*/c.jsonl", ["deep/c.jsonl"]),
        ("/[ab]*", ["a.jsonl", "b #1?.jsonl"]),
        ("/[!b]*.??????", []),
        ("/?.jsonl", ["a.jsonl"]),
        ("/deep", ["c.jsonl", "er/d.jsonl"]),
        ("/deep/*.jsonl", ["c.jsonl"]),
    ],
)
def test_paths_globs_and_folders_mean_the_same_everywhere(
    place: str, entry: str, wanted: list[str]
) -> None:
    if not wanted:
        with pytest.raises(ConfigurationError, match="names no file"):
            found(place + entry)
        return
    files = found(place + entry)
    assert [file.path for file in files] == wanted
    sizes = {name: len(json.dumps({"text": name})) for name in NAMES}
    assert all(any(n.endswith(f.path) and f.size == sizes[n] for n in NAMES) for f in files)


def test_what_is_found_is_read(place: str) -> None:
    files = found(f"{place}/**/*.jsonl")
    read = [o for file in files for o in read_unit(Unit(file, 0, -1), ReadOptions(), 0)]
    assert texts(read) == [file.path for file in files]


def test_a_list_counts_a_file_once_and_refuses_two_of_one_path(place: str) -> None:
    assert [f.path for f in found(f"{place}/a.jsonl", f"{place}/*.jsonl")] == [
        "a.jsonl",
        "b #1?.jsonl",
    ]
    store: Store = open_store(place)
    store.create("twin/a.jsonl", b'{"text": "twin"}')
    with pytest.raises(ConfigurationError, match=r"same path a\.jsonl"):
        found(f"{place}/a.jsonl", f"{place}/twin/a.jsonl")


def test_a_stamp_tells_of_a_change_of_the_same_size(place: str) -> None:
    (before,) = found(f"{place}/a.jsonl")
    assert found(f"{place}/a.jsonl") == [before]
    open_store(place).replace("a.jsonl", b"x" * before.size)
    (after,) = found(f"{place}/a.jsonl")
    assert after.size == before.size
    assert after.stamp != before.stamp
    assert [f.stamp for f in found(f"{place}/a*")] == [after.stamp]


def test_what_is_not_there_is_a_mistake(place: str) -> None:
    for entry in ("/none.jsonl", "/none", "/none/*.jsonl"):
        with pytest.raises(ConfigurationError, match=r"sources\.s\.path: .*names no file"):
            found(place + entry)


@pytest.mark.usefixtures("server")
def test_a_bucket_that_is_not_there_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match=r"no-inputs/x can't be read .*NoSuchBucket"):
        found("s3://no-inputs/x/*")


def test_a_link_that_leads_nowhere_is_a_mistake_and_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "whole.jsonl").write_text("{}")
    assert [f.path for f in found(str(tmp_path))] == ["whole.jsonl"]
    assert [f.path for f in found(f"{tmp_path}/*.jsonl")] == ["whole.jsonl"]
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "gone")
    for entry in ("", "/*.jsonl", "/link.jsonl"):
        with pytest.raises(ConfigurationError, match=r"link\.jsonl can't be read \(No such file"):
            found(f"{tmp_path}{entry}")
