"""How a run divides into tasks, and that they may be asked for by name."""

import pytest
from support import ROOT, make_corpus

from jobs.configuration import load_configuration
from jobs.plan import planned_stages
from jobs.schedule import schedule, scheduled_steps
from jobs.submission import JOBS, submit
from pipeline.spark.halves import halves
from schemas.errors import ConfigurationError

QUICKSTART = ROOT / "examples/quickstart.yaml"
FIRST = ("language", "signals", "tokens", "exact_dedup.map", "fuzzy_dedup.map")


def test_the_quick_start_in_tasks() -> None:
    bound = load_configuration(QUICKSTART, check_workspace=False)
    tasks = schedule(planned_stages(bound), ["main"])
    assert [(task.name, task.kind, task.steps, task.after) for task in tasks] == [
        ("ingest", "ingest", ("ingest",), ()),
        ("measure-1", "sweep", FIRST, ("ingest",)),
        ("exact_dedup", "relational", ("exact_dedup",), ("measure-1",)),
        ("fuzzy_dedup", "relational", ("fuzzy_dedup",), ("measure-1", "exact_dedup")),
        ("perplexity", "rater", ("perplexity",), ("measure-1", "exact_dedup")),
        ("quality", "rater", ("quality",), ("measure-1",)),
        (
            "mixture-main",
            "mixture",
            ("main",),
            ("measure-1", "exact_dedup", "fuzzy_dedup", "perplexity", "quality"),
        ),
    ]
    steps = scheduled_steps([{"step": "tokens", "documents": 9}], tasks)
    assert [step["step"] for step in steps] == [step for task in tasks for step in task.steps]
    (tokens,) = (step for step in steps if step["step"] == "tokens")
    told = {"kind": "sweep", "task": "measure-1", "after": ["ingest"]}
    assert tokens == {"step": "tokens", "documents": 9, **told}


def test_what_is_asked_for_by_name_takes_what_it_reads() -> None:
    bound = load_configuration(QUICKSTART, check_workspace=False)

    def names(**asked: str) -> list[str]:
        return [stage.name for stage in planned_stages(bound, **asked)]

    assert names(until="ingest") == []
    assert names(only="fuzzy_dedup.map, tokens") == ["tokens", "fuzzy_dedup.map"]
    for name in ("exact_dedup", "fuzzy_dedup"):
        (first, _), (alone,) = (
            halves(next(s for s in planned_stages(bound, only=asked) if s.name == asked))
            for asked in (name, f"{name}.map")
        )
        assert alone == first
    assert names(only="perplexity") == ["language", "exact_dedup", "perplexity"]
    with pytest.raises(ConfigurationError, match=r"--only: no stage 'langauge'; did you mean"):
        names(only="tokens,langauge")


def test_each_kind_of_stage_has_one_job() -> None:
    for kind in ("map", "relational", "rater"):
        assert sum(job(kind) for job in JOBS.values()) == 1


def test_a_job_without_a_stage_of_its_kind_has_nothing_to_do(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus(tmp_path_factory.mktemp("corpus"))
    assert submit("rate", [str(corpus)]) == 0
    assert "no such stage" in capsys.readouterr().out
    assert submit("annotate", [str(corpus.with_name("none.yaml"))]) == 2
