"""A whole run with its sources and its workspace in a bucket whose server often fails."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import PRODUCT, STAGES, product, run_json, winnow
from support.faulty_proxy import FaultyProxy, faulty_store

from pipeline.io.store import open_store

EVERY = {"error": ("", 11), "slow": ("GET", 7), "cut": ("GET", 13), "lost": ("PUT", 5)}
"""The fate of every so many requests of a method, or of all."""


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultyProxy]:
    """What stands before the bucket, and the environment in which it is found."""
    seen: Counter[str] = Counter()

    def choose(method: str, target: str) -> str | None:
        seen.update([method, ""])
        for fate, (of, count) in EVERY.items():
            if of in ("", method) and seen[of] % count == 0:
                return fate
        return None

    with faulty_store("runs", choose) as found:
        yield found


def test_a_bucket_holds_what_a_disk_would(
    reference: Path, tmp_path: Path, proxy: FaultyProxy
) -> None:
    bucket = open_store("s3://runs/corpus")
    for path in sorted(reference.parent.glob("*/*.jsonl")):
        bucket.create(str(path.relative_to(reference.parent)), path.read_bytes())
    remote = tmp_path / "remote.yaml"
    settings = reference.with_name("winnow.yaml").read_text().replace("./work", "s3://runs/work")
    for source in ("one", "two"):
        settings = settings.replace(f"path: {source}", f"path: s3://runs/corpus/{source}")
    remote.write_text(settings)
    run_json(str(remote))
    wanted = product(reference)
    assert {path.split("/")[0] for path in wanted} == {*PRODUCT}
    assert product("s3://runs/work") == wanted
    here, there = open_store(str(reference)), open_store("s3://runs/work")
    # Where the inputs lie is in the index and in the plan and nowhere else; times are in records.
    places = ("documents/_index", "documents/_tasks", "runs")
    kept = [entry.path for entry in here.list() if not entry.path.startswith(places)]
    assert [entry.path for entry in there.list() if not entry.path.startswith(places)] == kept
    others = [path for path in kept if path not in wanted]
    assert [path for path in others if here.read(path) != there.read(path)] == []
    again = run_json(str(remote))
    assert [stage["computed"] for stage in again["stages"]] == [0] * len(STAGES)
    checked = winnow("verify", "s3://runs/work/mixtures/main", "--workspace", "s3://runs/work")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    status = winnow("status", str(remote), "--json")
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)
    assert proxy.done.keys() == EVERY.keys()
