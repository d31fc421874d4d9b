from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from jobs.stages import STAGES, stage_class, stage_classes
from pipeline.stages.exact_dedup import ExactDedup, TextHash
from schemas.errors import ConfigurationError


def _install(monkeypatch: pytest.MonkeyPatch, **added: str) -> None:
    points = [EntryPoint(name, value, "winnow.stages") for name, value in added.items()]
    monkeypatch.setattr("jobs.stages.entry_points", lambda *, group: points)


def test_every_stage_that_comes_with_winnow_loads() -> None:
    for kind in STAGES:
        assert stage_class(kind).kind == kind


def test_entry_points_add_stages_but_replace_none(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(
        monkeypatch,
        mine="pipeline.stages.exact_dedup:TextHash",
        exact_dedup="pipeline.stages.exact_dedup:TextHash",
    )
    assert stage_class("mine") is TextHash
    assert stage_class("exact_dedup") is ExactDedup
    assert set(stage_classes()) == {*STAGES, "mine"}


@dataclass(frozen=True)
class NoStage:
    """A dataclass, but no stage."""


def test_what_is_no_stage_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(
        monkeypatch, bad=f"{__name__}:NoStage", gone="no_such_module:Stage", typo=f"{__name__}:X"
    )
    with pytest.raises(ConfigurationError, match="neither a MapStage nor"):
        stage_class("bad")
    for kind in ("gone", "typo"):
        with pytest.raises(ConfigurationError, match=f"'{kind}' can't be loaded"):
            stage_class(kind)
    _install(monkeypatch, mine="a:b")
    with pytest.raises(ConfigurationError, match="no stage 'mien'; did you mean 'mine'"):
        stage_class("mien")
