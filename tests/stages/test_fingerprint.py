"""A fingerprint tells what decides a stage's values, and nothing else."""

import importlib.metadata
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import pytest

from pipeline.io.tokenizer import SHIPPED
from pipeline.stages.base import OPERATION, File, MapStage
from pipeline.stages.columns_from import ColumnsFrom
from pipeline.stages.exact_dedup import ExactDedup
from pipeline.stages.fingerprint import digest_of, fingerprint
from pipeline.stages.language import Language
from pipeline.stages.signals import Signals
from pipeline.stages.tokens import Tokens


@dataclass(frozen=True, kw_only=True)
class Probe(MapStage):
    kind: ClassVar[str] = "probe"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text",)

    number: int = 1
    words: tuple[str, ...] = ("a", "b")
    table: dict[str, int] | None = None
    file: File | None = None
    files: tuple[File, ...] = ()
    workers: Annotated[int, OPERATION] = 1


@dataclass(frozen=True, kw_only=True)
class NewerProbe(Probe):
    version: ClassVar[int] = 2


@dataclass(frozen=True, kw_only=True)
class OtherProbe(Probe):
    kind: ClassVar[str] = "other"


@dataclass(frozen=True, kw_only=True)
class LibraryProbe(Probe):
    libraries: ClassVar[tuple[str, ...]] = ("regex",)


def test_how_the_work_is_done_does_not_change_it() -> None:
    assert fingerprint(Probe(workers=8)) == fingerprint(Probe())


def test_everything_that_decides_values_changes_it() -> None:
    stages = [
        Probe(),
        NewerProbe(),
        OtherProbe(),
        LibraryProbe(),
        Probe(number=2),
        Probe(words=("b", "a")),
        Probe(words=("ab",)),
        Probe(table={"a": 1}),
        Probe(table={"a": 2}),
    ]
    found = [fingerprint(stage) for stage in stages]
    assert len(set(found)) == len(stages)
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in found)
    assert fingerprint(Probe(number=1)) == found[0]
    assert fingerprint(Probe(table={"b": 1, "a": 2})) == fingerprint(Probe(table={"a": 2, "b": 1}))


def test_a_librarys_version_changes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(LibraryProbe()), fingerprint(Probe())
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"{name}-next")
    assert fingerprint(LibraryProbe()) != before[0]
    assert fingerprint(Probe()) == before[1]


def test_a_files_content_counts_and_not_where_it_lies(tmp_path: Path) -> None:
    for name, content in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / name).write_text(content)
    a, b, c = (str(tmp_path / name) for name in "abc")
    assert fingerprint(Probe(file=a)) == fingerprint(Probe(file=b))
    assert fingerprint(Probe(file=a)) != fingerprint(Probe(file=c))
    assert fingerprint(Probe(file=a)) != fingerprint(Probe())
    assert fingerprint(Probe(files=(a, c))) == fingerprint(Probe(files=(b, c)))
    assert fingerprint(Probe(files=(a, c))) != fingerprint(Probe(files=(c, a)))
    assert fingerprint(Probe(files=(a,))) != fingerprint(Probe(files=(a, b)))
    (tmp_path / "a").write_text("z")
    assert fingerprint(Probe(file=a)) != fingerprint(Probe(file=b))


def test_a_directorys_files_and_their_names_count(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        (folder / "in").mkdir(parents=True)
        (folder / "in" / "a.bin").write_bytes(b"a")
        (folder / "b.bin").write_bytes(b"b")
    one, two = folders
    assert digest_of(str(one)) == digest_of(str(two))
    (two / "b.bin").rename(two / "c.bin")
    assert digest_of(str(one)) != digest_of(str(two))


def test_the_tokenizer_counts_by_its_content(tmp_path: Path) -> None:
    copy = tmp_path / "tokenizer.json"
    copy.write_bytes(SHIPPED.read_bytes())
    assert fingerprint(Tokens(tokenizer=str(copy))) == fingerprint(Tokens(tokenizer=str(SHIPPED)))
    assert fingerprint(Tokens(tokenizer=str(tmp_path))) == fingerprint(Tokens())
    copy.write_bytes(SHIPPED.read_bytes() + b"\n")
    assert fingerprint(Tokens(tokenizer=str(copy))) != fingerprint(Tokens(tokenizer=str(SHIPPED)))


def test_the_hash_seed_is_no_part_of_it(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("id,x\n")
    code = (
        "from pipeline.stages.fingerprint import fingerprint as f\n"
        "from pipeline.stages.columns_from import ColumnsFrom\n"
        "from pipeline.stages.language import Language\n"
        "from pipeline.stages.signals import Signals\n"
        "from pipeline.stages.tokens import Tokens\n"
        f"c = ColumnsFrom(path={str(table)!r}, key='id', columns=['x'])\n"
        "print(*map(f, [Language(), Signals(), Tokens(), c]))"
    )
    here = [
        *(fingerprint(stage) for stage in (Language(), Signals(), Tokens())),
        fingerprint(ColumnsFrom(path=str(table), key="id", columns=["x"])),
    ]
    for seed in ("0", "12345"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
        )
        assert done.stdout.split() == here
    assert len({*here, fingerprint(ExactDedup())}) == len(here) + 1
