"""The contract of a store, on a disk, in memory, and on a server that speaks S3."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.object_store import environment, s3_server

from pipeline.io.entries import TEMPORARY, Entry
from pipeline.io.local import LocalStore
from pipeline.io.parts import PartWriter, find_footer, read_table
from pipeline.io.remote import RemoteStore
from pipeline.io.store import Store, free_bytes, open_store, probe
from schemas.errors import ConfigurationError, WinnowError

NAMES = ["a b", "ü/é", "x%20y", "x#y", "q?z", "a+b", "a[1]", "a~b", "a{b}", "a*b", "a:b", "k=v.p"]


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    with s3_server("stores") as settings, environment(settings):
        yield


@pytest.fixture(params=["local", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return open_store(str(tmp_path / "a store"))
    if request.param == "memory":
        return open_store(f"memory:///{tmp_path.name}")
    request.getfixturevalue("server")
    return open_store(f"s3://stores/a folder #1/{tmp_path.name}")


def paths(store: Store, prefix: str = "") -> list[str]:
    return [entry.path for entry in store.list(prefix)]


def test_the_first_creation_wins(store: Store) -> None:
    assert store.create("k/1", b"first")
    assert not store.create("k/1", b"second")
    assert store.read("k/1") == b"first"


def test_of_many_creations_at_once_one_wins(store: Store) -> None:
    won: list[int] = []
    start = threading.Barrier(8)

    def create(number: int) -> None:
        start.wait()
        if store.create("raced", b"%d" % number * 1000):
            won.append(number)

    threads = [threading.Thread(target=create, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.read("raced") == b"%d" % won[0] * 1000


def test_a_file_is_created_and_gone(store: Store) -> None:
    content = os.urandom(12_000_000)
    for made in (True, False):
        local = store.scratch()
        local.write_bytes(content if made else b"other")
        assert store.create("big", local) == made
        assert not local.exists()
    assert store.read("big") == content


def test_replacing_puts_the_whole(store: Store) -> None:
    for content in (b"longer at first", b"short", b""):
        store.replace("m/manifest.json", content)
        assert store.read("m/manifest.json") == content


def test_deleting_is_done_once_or_twice(store: Store) -> None:
    store.create("a/b/c", b"1")
    store.create("a/d", b"1")
    store.delete("a/b/c")
    store.delete("a/b/c")
    store.delete("never/was")
    assert paths(store) == ["a/d"]
    assert store.create("a/b/c", b"2")


def test_what_is_missing_is_missing(store: Store) -> None:
    store.create("there", b"1")
    assert not store.exists("not")
    assert store.find("not") is None
    assert not store.exists("the")
    assert not store.exists("there/below")
    for read in (store.read, store.open):
        with pytest.raises(FileNotFoundError):
            read("not/there")
    assert paths(store, "not") == []
    assert find_footer(store, "not") is None


def test_a_listing_is_in_order_and_by_folder(store: Store) -> None:
    names = ["b", "a/z", "a/b/c", "a.b", "a0", "ab/x", "a/b.c", "B", "_x/1", ".h"]
    for name in names:
        assert store.create(name, name.encode())
    assert paths(store) == sorted(names)
    assert paths(store, "a") == paths(store, "a/") == ["a/b.c", "a/b/c", "a/z"]
    assert paths(store, "a/b") == ["a/b/c"]
    assert {e.path: e.size for e in store.list()} == {name: len(name) for name in names}


def test_odd_names_are_kept(store: Store) -> None:
    for number, name in enumerate(NAMES):
        assert store.create(name, b"%d" % number)
    assert paths(store) == sorted(NAMES)
    for number, name in enumerate(NAMES):
        assert store.read(name) == b"%d" % number
        assert store.find(name) in list(store.list())
        store.delete(name)
    assert paths(store) == []


def test_a_stamp_changes_with_the_object(store: Store) -> None:
    def stamp() -> str:
        entry = store.find("x")
        assert entry is not None
        assert entry in list(store.list())
        return entry.stamp

    store.replace("x", b"one")
    before = stamp()
    assert stamp() == before
    store.replace("x", b"two")
    assert stamp() != before


def test_a_file_is_read_in_ranges(store: Store) -> None:
    content = os.urandom(3_000_000)
    store.create("ranges", content)
    with store.open("ranges") as file:
        assert file.size() == len(content)
        file.seek(1_500_000)
        assert file.read(10) == content[1_500_000:1_500_010]
        file.seek(-5, os.SEEK_END)
        assert file.tell() == len(content) - 5
        assert file.read() == content[-5:]
        file.seek(0)
        assert file.read() == content
    table = pa.table({"x": list(range(100_000)), "y": ["word"] * 100_000})
    local = store.scratch()
    pq.write_table(table, local, row_group_size=10_000)
    store.create("t.parquet", local)
    assert read_table(store, "t.parquet") == table
    with store.open("t.parquet") as file:
        assert pq.ParquetFile(file).read_row_group(3, ["x"])["x"][0].as_py() == 30_000


def test_a_part_is_committed_once(store: Store) -> None:
    batch = pa.record_batch({"id": ["a"], "text": ["b"]})
    made = []
    for _ in range(2):
        with PartWriter(store, "documents/p.parquet", batch.schema) as writer:
            writer.write(batch, batch.column("id"))
            made.append(writer.commit({}, "ingest.part")[1])
    assert made == [True, False]
    assert paths(store) == ["documents/p.parquet"]


def test_the_probe_leaves_nothing(store: Store) -> None:
    probe(store)
    assert paths(store) == []
    assert (free_bytes(store) is None) == ("://" in store.root)


class Forgetful(LocalStore):
    """A store that lets an object be created twice, as some servers do."""

    def create(self, path: str, content: bytes | Path) -> bool:
        super().create(path, content)
        return True


def test_the_probe_refuses_a_store_that_does_not_keep_the_promise(tmp_path: Path) -> None:
    with pytest.raises(WinnowError, match="created twice"):
        probe(Forgetful(str(tmp_path)))
    assert list(tmp_path.rglob("*.*")) == []


@pytest.mark.usefixtures("server")
def test_a_bucket_that_is_not_there_is_one_line() -> None:
    with pytest.raises(ConfigurationError, match=r"s3://no-stores/x can't be written"):
        probe(open_store("s3://no-stores/x"))
    with pytest.raises(OSError, match="NoSuchBucket") as caught:
        list(open_store("s3://no-stores/x").list())
    assert caught.value.filename == "s3://no-stores/x"
    assert "\n" not in str(caught.value)


def test_a_url_that_is_none_is_an_error_with_its_name() -> None:
    with pytest.raises(OSError, match="no-such") as caught:
        RemoteStore("no-such://bucket")
    assert caught.value.filename == "no-such://bucket"


def left(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


_LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
import os, pyarrow as pa
from pipeline.io.parts import PartWriter
from pipeline.io.store import open_store
store = open_store(sys.argv[1])
def part():
    batch = pa.record_batch({"id": [os.urandom(50_000).hex() for _ in range(100)]})
    with PartWriter(store, "p.parquet", batch.schema) as writer:
        writer.write(batch, batch.column("id"))
        writer.commit({}, "ingest.part")
for write in (
    lambda: store.create("d/x", b"1" * 1_000_000),
    lambda: store.replace("d/x", b"1" * 1_000_000),
    part,
):
    try:
        write()
    except OSError as error:
        print(error.filename)
"""


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _LIMITED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert first == second == f"{tmp_path}/d/x"
    assert third.startswith(f"{tmp_path}/{TEMPORARY}/")
    assert left(tmp_path) == []


def test_a_folder_that_can_not_be_written_is_named() -> None:
    store = open_store("/proc/winnow")
    with pytest.raises(OSError, match=r"No such file|Permission|Read-only") as caught:
        store.create("a/b", b"1")
    assert caught.value.filename == "/proc/winnow/a/b"
    with pytest.raises(ConfigurationError, match=r"/proc/winnow can't be written"):
        probe(store)


def test_a_file_where_a_folder_should_be_is_an_error_and_no_loss(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.create("a", b"1")
    for write in (store.create, store.replace):
        with pytest.raises(OSError, match=r"a/b") as caught:
            write("a/b", b"2")
        assert caught.value.filename == f"{tmp_path}/a/b"
    assert left(tmp_path) == ["a"]


def test_links_are_followed_and_broken_ones_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    (tmp_path / "elsewhere/deep/x").write_bytes(b"12")
    (tmp_path / "store").mkdir()
    (tmp_path / "store/documents").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "store/one").symlink_to(tmp_path / "elsewhere/deep/x")
    (tmp_path / "store/broken").symlink_to(tmp_path / "nowhere")
    store = open_store(str(tmp_path / "store"))
    assert [(e.path, e.size) for e in store.list()] == [("documents/deep/x", 2), ("one", 2)]
    assert not store.exists("broken")
    assert store.create("documents/y", b"3")
    assert (tmp_path / "elsewhere/y").read_bytes() == b"3"


def test_a_file_that_goes_during_a_listing_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(str(tmp_path))
    for name in ("a", "b", "c"):
        store.create(name, b"1")
    found = LocalStore.find

    def deleting(self: LocalStore, path: str) -> Entry | None:
        with contextlib.suppress(FileNotFoundError):
            (tmp_path / "b").unlink()
        return found(self, path)

    monkeypatch.setattr(LocalStore, "find", deleting)
    assert paths(store) == ["a", "c"]


def test_unfinished_files_are_not_shown(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.scratch().write_bytes(b"half")
    store.create("x/_tmp/kept", b"1")
    assert paths(store) == ["x/_tmp/kept"]
