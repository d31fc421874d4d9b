"""An object store whose replies fail, stall and get lost, tried against a real server."""

from collections.abc import Callable, Iterator

import pytest
from support.faulty_proxy import FaultyProxy, faulty_store

from pipeline.io.store import Store, open_store, probe


class Plan:
    """What becomes of the next requests of a method on targets with a word in them."""

    def __init__(self) -> None:
        self.method, self.word = "", ""
        self.fates: list[str] = []

    def __call__(self, method: str, target: str) -> str | None:
        fits = method == self.method and self.word in target
        return self.fates.pop(0) if fits and self.fates else None

    def next(self, method: str, word: str, *fates: str) -> None:
        """Plan for what comes."""
        self.method, self.word, self.fates = method, word, list(fates)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan()


@pytest.fixture(scope="module")
def proxy(plan: Plan) -> Iterator[FaultyProxy]:
    with faulty_store("faulty", plan) as found:
        yield found


@pytest.fixture
def store(proxy: FaultyProxy) -> Store:
    return open_store("s3://faulty/w")


@pytest.mark.parametrize("fates", [("error", "error"), ("lost",), ("lost", "error", "lost")])
def test_an_object_is_created_once_and_by_us(store: Store, plan: Plan, fates: list[str]) -> None:
    name = "-".join(fates)
    plan.next("PUT", name, *fates)
    assert store.create(name, b"ours")
    assert plan.fates == []
    assert not store.create(name, b"theirs")
    assert store.read(name) == b"ours"


def test_a_lost_reply_does_not_make_us_the_owner_of_another_s_object(
    store: Store, plan: Plan
) -> None:
    assert store.create("taken", b"theirs")
    plan.next("PUT", "taken", "lost")
    assert not store.create("taken", b"ours")
    assert store.read("taken") == b"theirs"


@pytest.mark.parametrize("fate", ["error", "cut", "slow", "lost"])
@pytest.mark.parametrize(
    "read",
    [lambda store: store.read("large"), lambda store: store.open("large").read()],
    ids=["read", "open"],
)
def test_what_is_read_is_whole(
    store: Store, plan: Plan, fate: str, read: Callable[[Store], bytes]
) -> None:
    content = bytes(range(256)) * 2000
    store.create("large", content)
    plan.next("GET", "large", fate, fate)
    assert read(store) == content
    assert len(plan.fates) < 2


@pytest.mark.parametrize("fate", ["error", "cut", "slow", "lost"])
def test_a_listing_is_whole(store: Store, plan: Plan, fate: str) -> None:
    names = [f"listed/{number}" for number in range(5)]
    for name in names:
        store.create(name, b"1")
    plan.next("GET", "list-type", fate, fate)
    assert [entry.path for entry in store.list("listed")] == names
    assert len(plan.fates) < 2


def test_a_probe_is_not_misled(store: Store, plan: Plan) -> None:
    plan.next("PUT", "probe-", "lost", "lost")
    probe(store)
    assert plan.fates == []


def test_a_store_that_stays_broken_is_told(store: Store, plan: Plan) -> None:
    plan.next("GET", "list-type", *["cut"] * 20)
    with pytest.raises(OSError, match="s3://faulty/w"):
        list(store.list())


def test_no_upload_is_in_parts(store: Store, proxy: FaultyProxy) -> None:
    large = store.scratch()
    large.write_bytes(b"1" * (12 << 20))
    assert store.create("parts/file", large)
    assert store.create("parts/bytes", b"1" * (12 << 20))
    store.replace("parts/bytes", b"2" * (12 << 20))
    seen = [target for target in proxy.targets if "parts/" in target]
    assert len(seen) >= 3
    assert not any("upload" in target.lower() for target in seen)
