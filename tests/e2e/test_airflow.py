"""Scheduled runs on a real Airflow, in an environment of its own that has nothing of Winnow."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import CONFIGURATION, ROOT, differing, make_documents, run_json, winnow, write_jsonl
from support.cluster import SPARK, java_environment

AIRFLOW = ROOT / ".venv-airflow" / "bin"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not AIRFLOW.exists(), reason="`make test` makes Airflow's environment"),
]
DAY = "2026-01-01"
STAGES = "stages:\n  - language: {}\n  - quality: {rater: student}\n"
DAGS = """\
import os
from datetime import timedelta
from winnow_dag import winnow_dag

shared = {{
    "config": "{folder}/winnow.yaml",
    "plan": "{folder}/plan.json",
    "inputs": {{"one": "{folder}/one/{{{{ ds }}}}*/*.jsonl"}},
    "retries": 1,
    "retry_delay": timedelta(0),
}}
plain = winnow_dag("plain", winnow="{folder}/winnow", **shared)
spark = winnow_dag(
    "spark",
    connection="spark_local",
    jobs="{root}/jobs",
    spark={{
        "spark_binary": "{spark}/bin/spark-submit",
        "conf": {{"spark.log.level": "ERROR"}},
        "env_vars": {{"PYSPARK_PYTHON": "{python}", "PYTHONPATH": "{root}"}},
    }},
    spark_rating={{"name": "rating"}},
    **shared,
)
"""
LOOK = """\
import json, pathlib, sys
from airflow.dag_processing.dagbag import BundleDagBag

bag = BundleDagBag(sys.argv[1], bundle_path=pathlib.Path(sys.argv[1]), bundle_name="here")
told = {
    dag.dag_id: {
        task.task_id: [sorted(task.upstream_task_ids), task.pool, task.is_mapped]
        for task in dag.tasks
    }
    for dag in bag.dags.values()
}
warnings = [str(found) for found in bag.captured_warnings.values()]
ours = {"jobs", "pipeline", "raters", "schemas"} & {name.split(".")[0] for name in sys.modules}
print(json.dumps([bag.import_errors, warnings, sorted(ours), told]))
"""


@dataclass(frozen=True)
class Airflow:
    """A home of Airflow's, and a corpus with its DAGs."""

    folder: Path
    environment: Mapping[str, str]

    def call(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one program of Airflow's environment."""
        return subprocess.run(
            [str(AIRFLOW / words[0]), *words[1:]],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**self.environment, **environment},
            timeout=1500,
        )

    def look(self, dags: Path) -> tuple[dict[str, str], list[str], list[str], dict[str, object]]:
        """Import errors, warnings, modules of Winnow's, and the DAGs of a folder."""
        done = self.call("python", "-c", LOOK, str(dags))
        assert done.returncode == 0, done.stderr
        errors, warnings, ours, told = json.loads(done.stdout.splitlines()[-1])
        return errors, warnings, ours, told

    def assets(self) -> list[str]:
        """Where the assets lie for which there is an event, once for each event."""
        query = "select uri from asset_event join asset on asset.id = asset_event.asset_id"
        with sqlite3.connect(self.folder / "home/airflow.db") as database:
            return sorted(uri for (uri,) in database.execute(query))


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    folder = tmp_path_factory.mktemp("airflow")
    write_jsonl(folder / "one" / DAY / "a.jsonl", make_documents(0, 60))
    write_jsonl(folder / "one" / "2026-01-02" / "a.jsonl", make_documents(2, 60))
    write_jsonl(folder / "two" / "a.jsonl", make_documents(1, 60))
    second = CONFIGURATION.partition("mixtures:\n")[2].replace("name: main", "name: other")
    text = CONFIGURATION.replace("stages:\n", STAGES) + second
    (folder / "winnow.yaml").write_text(text)
    plan = winnow("run", str(folder / "winnow.yaml"), *day(folder), "--dry-run", "--json")
    assert plan.returncode == 0, plan.stderr
    (folder / "plan.json").write_text(plan.stdout)
    command = folder / "winnow"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m jobs "$@"\n')
    command.chmod(0o755)
    dags = folder / "dags"
    dags.mkdir()
    (dags / "winnow_dag.py").write_bytes((ROOT / "jobs/dags/winnow_dag.py").read_bytes())
    (dags / "corpora.py").write_text(
        DAGS.format(folder=folder, root=ROOT, spark=SPARK, python=sys.executable)
    )
    connection = {"conn_type": "spark", "host": "local[2]"}
    environment = {
        "PATH": f"{AIRFLOW}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_SPARK_LOCAL": json.dumps(connection),
        **java_environment(),
    }
    found = Airflow(folder, environment)
    assert found.call("airflow", "db", "migrate").returncode == 0
    assert found.call("airflow", "pools", "set", "gpu", "1", "rating").returncode == 0
    return found


def day(folder: Path) -> list[str]:
    """What the day's runs are told of their input."""
    return ["--set", f"sources.one.path={folder}/one/{DAY}*/*.jsonl"]


@pytest.fixture(scope="module")
def undisturbed(airflow: Airflow) -> Path:
    """The workspace of a run without Airflow."""
    work = airflow.folder / "undisturbed"
    words = [str(airflow.folder / "winnow.yaml"), *day(airflow.folder)]
    run_json(*words, "--set", f"workspace={work}")
    return work


def test_the_dags_import_without_warnings_and_without_winnow(airflow: Airflow) -> None:
    errors, warnings, ours, told = airflow.look(airflow.folder / "dags")
    assert (errors, warnings, ours) == ({}, [], [])
    tasks = {
        "ingest": [[], "default_pool", False],
        "measure-1": [["ingest"], "default_pool", False],
        "exact_dedup": [["measure-1"], "default_pool", False],
        "quality": [["measure-1"], "gpu", False],
        "mixture": [["exact_dedup", "ingest", "measure-1", "quality"], "default_pool", True],
    }
    assert told == {"plain": tasks, "spark": tasks}


def test_what_would_go_wrong_later_is_refused_at_import(airflow: Airflow, tmp_path: Path) -> None:
    for name in ("winnow_dag.py", "corpora.py"):
        (tmp_path / name).write_bytes((airflow.folder / "dags" / name).read_bytes())
    whole = (tmp_path / "corpora.py").read_text()

    def refused(text: str) -> str:
        (tmp_path / "corpora.py").write_text(text)
        (error,) = airflow.look(tmp_path)[0].values()
        return error

    assert "let a wildcard follow the template" in refused(whole.replace("}}*/", "}}/"))
    assert "no source 'three', there are one, two" in refused(whole.replace('"one":', '"three":'))
    other = airflow.folder / "other.json"
    steps = json.loads((airflow.folder / "plan.json").read_text())
    other.write_text(json.dumps([step for step in steps if step["step"] != "signals"]))
    assert "the plan of another configuration" in refused(whole.replace("plan.json", "other.json"))


@pytest.mark.parametrize("dag", ["plain", "spark"])
def test_a_run_in_which_a_task_fails_and_is_tried_again(
    airflow: Airflow, undisturbed: Path, dag: str
) -> None:
    work, ledger = airflow.folder / "work", airflow.folder / f"fault-{dag}"
    fault = {"WINNOW_FAULT": f"map.stage.before:{ledger}", "WINNOW_FAULT_TARGET": "driver"}
    before = airflow.assets()
    done = airflow.call("airflow", "dags", "test", dag, DAY, **fault)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    assert ledger.exists()
    assert differing(work, undisturbed) == []
    for name in ("main", "other"):
        assert winnow("verify", str(work / "mixtures" / name)).returncode == 0
    made = [(work / "mixtures" / name).as_uri() for name in ("main", "other")]
    assert airflow.assets() == sorted(before + made)
    work.rename(airflow.folder / f"work-{dag}")
