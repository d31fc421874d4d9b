"""Records that put things in force, with another run at the same point."""

from pathlib import Path

import pytest

from pipeline.io.ingest import IngestTask, run_ingest_task
from pipeline.io.parts import PartReader
from pipeline.io.records import ReadOptions
from pipeline.io.store import open_store
from pipeline.io.workspace import ColumnsPart, Workspace
from schemas.errors import ConfigurationError, WinnowError

PART = ColumnsPart("000001-000000-000000", "key", 1, 10, "digest", "{}")


def record(where: str | None = None) -> dict[str, object]:
    return {
        "stage": "s",
        "kind": "s",
        "fingerprint": "f",
        "inputs": "i",
        "where": where,
        "columns": ["a"],
        "totals": {"documents": 1},
    }


def numbers(workspace: Workspace) -> list[object]:
    return [found["number"] for found in workspace.stage_records("s")]


def test_the_same_stage_is_put_in_force_once(tmp_path: Path) -> None:
    workspace = Workspace(open_store(str(tmp_path)))
    workspace.commit_stage(record(), [PART], "map")
    workspace.commit_stage(record(), [PART], "map")
    assert numbers(workspace) == [1]
    workspace.commit_stage(record("a > 1"), [PART], "map")
    workspace.commit_stage(record(), [PART], "map")
    assert numbers(workspace) == [1, 2, 3]
    found = workspace.stage("s")
    assert found is not None
    assert (found.where, found.parts) == (None, {PART.part: PART})


@pytest.mark.parametrize(("theirs", "ours"), [(None, [1]), ("a > 1", [1, 2])])
def test_a_run_that_looked_before_another_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: str | None, ours: list[int]
) -> None:
    workspace = Workspace(open_store(str(tmp_path)))
    workspace.commit_stage(record(theirs), [PART], "map")
    late = Workspace(workspace.store)
    monkeypatch.setattr(late, "stage_records", lambda stage: [])
    late.commit_stage(record(), [PART], "map")
    assert numbers(workspace) == ours


def test_a_generation_is_decided_once(tmp_path: Path) -> None:
    workspace = Workspace(open_store(str(tmp_path)))
    kept = {"documents": 0, "inputs": [], "replaces": False}
    assert workspace.commit_generation(1, [], kept)
    assert workspace.commit_generation(1, [], kept)
    assert not workspace.give_up_generation(1)
    assert workspace.give_up_generation(2)
    assert not workspace.commit_generation(2, [], kept)
    assert workspace.commit_generation(3, [], {**kept, "replaces": True})
    assert [found["generation"] for found in workspace.decided()] == [1, 2, 3]
    assert [found["generation"] for found in workspace.generations()] == [3]


def test_what_is_no_workspace_is_refused(tmp_path: Path) -> None:
    workspace = Workspace(open_store(str(tmp_path)))
    with pytest.raises(ConfigurationError, match=r"no workspace\.json"):
        workspace.check()
    workspace.create()
    workspace.check()
    (tmp_path / "workspace.json").write_text('{"format_version": 99}')
    with pytest.raises(ConfigurationError, match="version 99"):
        workspace.check()
    (tmp_path / "workspace.json").write_text("{")
    with pytest.raises(ConfigurationError, match="damaged"):
        workspace.check()


def test_on_a_machine_that_does_not_share_the_workspace_nothing_is_written(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    task = IngestTask(str(elsewhere), 1, 0, (), ReadOptions(), 1000)
    told = r"executor on .*: it does not see .*elsewhere; the workspace has to be on a disk that"
    with pytest.raises(WinnowError, match=told):
        run_ingest_task(task)
    with pytest.raises(WinnowError, match=told):
        PartReader(open_store(str(elsewhere)), "documents/x.parquet")
    assert not elsewhere.exists()
    Workspace(open_store(str(elsewhere))).create()
    with pytest.raises(WinnowError, match=r"x.parquet is gone from .*elsewhere: an index names it"):
        PartReader(open_store(str(elsewhere)), "documents/x.parquet")
    assert run_ingest_task(task)["parts"] == []
