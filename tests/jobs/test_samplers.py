from dataclasses import dataclass
from importlib.metadata import EntryPoint

import numpy as np
import numpy.typing as npt
import pytest

from jobs.samplers import needs_score, sampler_class
from pipeline.select.samplers import TopK
from schemas.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Worst:
    """A sampler of a stranger: the worst first."""

    method = "worst"
    needs_score = True

    def keys(
        self, scores: npt.NDArray[np.float64], draws: npt.NDArray[np.uint64]
    ) -> npt.NDArray[np.float64]:
        """The score, turned."""
        return -scores


def test_entry_points_add_samplers_but_replace_none(monkeypatch: pytest.MonkeyPatch) -> None:
    added = {"worst": f"{__name__}:Worst", "top_k": f"{__name__}:Worst", "none": "math:sin"}
    points = [EntryPoint(name, value, "winnow.samplers") for name, value in added.items()]
    monkeypatch.setattr("jobs.samplers.entry_points", lambda *, group: points)
    assert sampler_class("worst") is Worst
    assert sampler_class("top_k") is TopK
    assert needs_score(Worst)
    with pytest.raises(ConfigurationError, match="math:sin is no sampler"):
        sampler_class("none")
    with pytest.raises(ConfigurationError, match="no sampler 'wrost'; did you mean 'worst'"):
        sampler_class("wrost")
