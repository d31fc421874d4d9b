"""Which rows a rater stage measures, as its configuration says: all, no copies, representatives."""

from pathlib import Path

import pytest

from jobs.configuration import load_configuration
from jobs.parameters import bind
from jobs.plan import planned_stages
from jobs.stages import RATERS, rater_class
from pipeline.io.beside import Address
from pipeline.io.workspace import DocumentsPart
from pipeline.spark.halves import StageHalf, halves
from pipeline.stages.base import MapStage
from pipeline.stages.sweep import expected_key
from schemas.errors import ConfigurationError

STAGES = {
    "perplexity": "- perplexity: {rate: %s, where: 'cluster_size > 0 and exact_cluster_id > id'}",
    "quality": "- quality: {rate: %s}",
}
BEFORE = ["- language: {}", "- exact_dedup: {}", "- fuzzy_dedup: {}"]


def configuration(folder: Path, stages: list[str]) -> Path:
    path = folder / "winnow.yaml"
    lines = "\n".join(f"  {line}" for line in stages)
    path.write_text(
        f"workspace: ./work\nsources: [{{name: one, path: '*.jsonl'}}]\nstages:\n{lines}\n"
    )
    return path


def planned(folder: Path, stage: str, rate: str, before: list[str] = BEFORE) -> list[StageHalf]:
    path = configuration(folder, [*before, STAGES[stage] % rate])
    (found,) = (
        each
        for each in planned_stages(load_configuration(path, check_inputs=False))
        if each.name == stage
    )
    return halves(found)


@pytest.mark.parametrize(
    ("stage", "all_by"),
    [("perplexity", Address("exact_dedup", "exact_duplicate_of")), ("quality", None)],
)
def test_representatives_are_told_by_the_clusters(
    tmp_path: Path, stage: str, all_by: Address | None
) -> None:
    assert planned(tmp_path, stage, "all")[0].copy_of == all_by
    first, second = planned(tmp_path, stage, "representatives")
    assert first.copy_of == Address("fuzzy_dedup", "duplicate_of")
    assert second.reads["duplicate_of"] == first.copy_of
    assert "fuzzy_dedup" in first.needs & second.needs
    named = [*BEFORE, "- fuzzy_dedup: {name: near, threshold: 0.7}"]
    (nearer, _) = planned(tmp_path, stage, "representatives", named)
    assert nearer.copy_of == Address("near", "duplicate_of")


def test_what_is_rated_decides_the_part_and_not_the_values(tmp_path: Path) -> None:
    """No model runs twice over a row whose rating is known, and no part passes for another."""
    rated, given = planned(tmp_path, "perplexity", "all")
    fewer, taken = planned(tmp_path, "perplexity", "representatives")
    assert rated.fingerprint == fewer.fingerprint
    assert given.fingerprint != taken.fingerprint
    part = DocumentsPart("000001-000000-0000", "test", 9, 99, "ids", "digest")
    digests = {"exact_dedup": "e", "fuzzy_dedup": "f"}
    keys = [expected_key(half.work(), part, digests) for half in (rated, fewer)]
    assert None not in keys
    assert keys[0] != keys[1]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("place", [2, 3])
def test_representatives_need_clusters_before(tmp_path: Path, stage: str, place: int) -> None:
    stages = [*BEFORE[:2], f"- {stage}: {{rate: representatives}}", *BEFORE[2:]][: place + 1]
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(configuration(tmp_path, stages), check_inputs=False)
    told = str(caught.value)
    assert f"winnow.yaml:6: stages.{stage}.rate: representatives are told by" in told
    assert "add `- fuzzy_dedup: {}` after `- exact_dedup: {}`" in told


@pytest.mark.parametrize("rater", RATERS)
def test_every_rater_can_rate_representatives(rater: str) -> None:
    for rate, everyone in (("all", True), ("representatives", False)):
        stage = bind(rater_class(rater), {"model": "shipped", "rate": rate})
        assert isinstance(stage, MapStage)
        assert stage.measures_members() is everyone
