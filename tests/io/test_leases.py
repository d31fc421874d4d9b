"""Leases, by clocks of the test's own, on a disk and in memory."""

import json
from pathlib import Path

import pytest

from pipeline.io.leases import MARK, Lease, Leases, newest
from pipeline.io.store import Store, open_store


class Worker:
    """Somebody who takes leases, by a clock that stands until it is moved on."""

    def __init__(self, store: Store) -> None:
        self.now = 1000.0
        self._store = store
        self._leases = Leases(store, lambda: self.now)

    def take(self) -> Lease | None:
        """A lease on the only thing there is."""
        found = newest((entry.path, entry.stamp) for entry in self._store.list("a"))
        return self._leases.take("a/thing", found)


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    local = request.param == "local"
    return open_store(str(tmp_path) if local else f"memory:///{tmp_path.name}")


def names(store: Store) -> list[str]:
    return [entry.path for entry in store.list()]


def test_one_holds_it_until_it_is_given_back(store: Store) -> None:
    one, other = Worker(store), Worker(store)
    lease = one.take()
    assert lease is not None
    with lease:
        assert other.take() is None
    assert names(store) == []
    assert other.take() is not None


def test_a_lease_that_does_not_change_is_anybody_s_after_a_while(store: Store) -> None:
    one, other, third = Worker(store), Worker(store), Worker(store)
    assert one.take() is not None
    assert other.take() is None
    one.now += 1000  # Its own clock says nothing to others.
    other.now += 59
    assert other.take() is None
    other.now += 2
    assert third.take() is None  # It has seen the lease only now.
    assert other.take() is not None
    assert names(store) == [f"a/thing{MARK}2"]
    third.now += 61
    assert third.take() is None  # Another one than it has seen before.


def test_of_two_that_find_it_stale_one_has_it(store: Store) -> None:
    one, other, third = Worker(store), Worker(store), Worker(store)
    one.take()
    found = newest((entry.path, entry.stamp) for entry in store.list("a"))
    both = (other, third)
    for worker in both:
        assert worker._leases.take("a/thing", found) is None
        worker.now += 61
    assert [worker._leases.take("a/thing", found) is None for worker in both] == [False, True]


def test_it_is_renewed_while_it_is_held(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_LEASE_SECONDS", "0.04")
    lease = Worker(store).take()
    assert lease is not None
    with lease:
        while names(store) in ([], [f"a/thing{MARK}1"], [f"a/thing{MARK}2"]):
            pass
        # Taken over by another, it is left to that one.
        (number, _) = newest((entry.path, entry.stamp) for entry in store.list("a"))["a/thing"]
        for later in range(number + 1, number + 50):
            store.create(f"a/thing{MARK}{later}", b"{}")
        lease._thread.join(10)
        assert not lease._thread.is_alive()
    assert f"a/thing{MARK}{number + 49}" in names(store)


def test_nobody_waits_for_the_dead_of_the_same_machine(store: Store) -> None:
    Worker(store).take()
    (name,) = names(store)
    owner = json.loads(store.read(name))
    for change, free in (
        ({"started": "1"}, True),
        ({"started": "1", "space": "another machine"}, False),
        ({}, False),
    ):
        store.replace(name, json.dumps({**owner, **change}).encode())
        lease = Worker(store).take()
        assert (lease is not None) == free
        if lease is not None:
            with lease:
                pass


def test_what_is_no_lease_is_passed_over() -> None:
    found = [("a/x", "1"), ("a/x.lease.2", "b"), ("a/x.lease.10", "c"), ("a/y.lease.z", "d")]
    assert newest(iter(found)) == {"a/x": (10, "c")}
