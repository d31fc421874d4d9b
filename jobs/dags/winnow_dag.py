"""A scheduled run of Winnow on Airflow 3, from a configuration and the plan of its run.

This file goes into Airflow's folder of DAGs as it is. It needs Airflow and PyYAML; nothing of
Winnow is imported, for Winnow works in an environment or on a cluster of its own. Where the
configuration changes, the plan is written again:

    winnow run corpus.yaml --dry-run --json > corpus.plan.json
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, Asset, AssetAlias, BaseOperator

Context = Mapping[str, Any]


class WinnowOperator(BaseOperator):
    """Runs one `winnow` command, word by word and through no shell."""

    template_fields: Sequence[str] = ("words",)

    def __init__(self, *, words: list[str], winnow: str = "winnow", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words = words
        self.winnow = winnow
        self._hook = SubprocessHook()

    def execute(self, context: Context) -> None:
        """Run it to its end; what it prints goes to the task's log."""
        done = self._hook.run_command([self.winnow, *self.words], env=dict(os.environ))
        if done.exit_code != 0:
            raise RuntimeError(f"winnow ended with {done.exit_code}: {done.output}")

    def on_kill(self) -> None:
        """End the command with the task; the next try goes on from there."""
        self._hook.send_sigterm()


def winnow_dag(
    dag_id: str,
    config: str,
    plan: str,
    *,
    schedule: Any = None,
    inputs: Mapping[str, str] | None = None,
    winnow: str = "winnow",
    connection: str | None = None,
    jobs: str | None = None,
    spark: Mapping[str, Any] | None = None,
    spark_rating: Mapping[str, Any] | None = None,
    rating_pool: str = "gpu",
    retries: int = 2,
    retry_delay: timedelta = timedelta(minutes=5),
    **options: Any,
) -> DAG:
    """The DAG of a configuration: a task for each sweep, relational stage, rater and mixture.

    `inputs` gives sources paths with Airflow's templates, as in
    `{"web": "s3://crawl/{{ ds }}*/*.warc.gz"}`. With `connection`, the name of a Spark connection,
    tasks go through spark-submit: `jobs` is then the folder of run_all.py and run_select.py, and
    `spark` and `spark_rating` hold further arguments of SparkSubmitOperator. Without, tasks call
    `winnow`. Raters run in `rating_pool`. Each mixture that was made is an event of the asset
    `<workspace>/mixtures/<name>`. Further options are the DAG's.
    """
    corpus = _read(config)
    steps = json.loads(Path(plan).read_text())
    _check_plan(corpus, steps, plan)
    given = [word for pair in (inputs or {}).items() for word in _setting(corpus, *pair)]
    make = _Maker(winnow, connection, jobs, dict(spark or {}), dict(spark_rating or {}))
    defaults = {"retries": retries, "retry_delay": retry_delay}
    dag = DAG(
        dag_id,
        schedule=schedule,
        default_args=defaults,
        # Two runs at once would be safe, and would do the same work.
        **{"catchup": False, "max_active_runs": 1, "doc_md": __doc__, **options},
    )
    with dag:
        _tasks(make, steps, config, given, rating_pool, _workspace(corpus, config))
    return dag


def _tasks(
    make: "_Maker",
    steps: Sequence[Mapping[str, Any]],
    config: str,
    given: Sequence[str],
    pool: str,
    workspace: str,
) -> None:
    by_task: dict[str, list[Mapping[str, Any]]] = {}
    for step in steps:
        by_task.setdefault(str(step["task"]), []).append(step)
    made: dict[str, Any] = {}
    mixtures = []
    for name, group in by_task.items():
        kind, names = group[0]["kind"], [str(step["step"]) for step in group]
        if kind == "mixture":
            mixtures += names
            continue
        if kind == "ingest":
            words = ["run", config, "--until", "ingest", *given]
        else:
            words = ["run", config, "--no-ingest", "--only", ",".join(names)]
        rating = {"pool": pool} if kind == "rater" else {}
        made[name] = make.task(name, words, **rating)
        for earlier in group[0]["after"]:
            made[earlier] >> made[name]
    if mixtures:
        every = [["select", config, "--mixture", name] for name in mixtures]
        list(made.values()) >> make.mapped("mixture", every, workspace)


class _Maker:
    """Makes tasks of one kind of operator."""

    def __init__(
        self,
        winnow: str,
        connection: str | None,
        jobs: str | None,
        spark: dict[str, Any],
        rating: dict[str, Any],
    ) -> None:
        if connection is not None and jobs is None:
            raise ValueError("jobs: name the folder of run_all.py, which comes with Winnow")
        self._winnow, self._connection, self._jobs = winnow, connection, jobs
        self._spark, self._rating = spark, rating

    def task(self, name: str, words: list[str], **options: Any) -> BaseOperator:
        """One task that runs a command."""
        if self._connection is None:
            return WinnowOperator(task_id=name, words=words, winnow=self._winnow, **options)
        operator, arguments = self._submit(words[0], "pool" in options)
        return operator(task_id=name, application_args=words[1:], **arguments, **options)

    def mapped(self, name: str, commands: Sequence[list[str]], workspace: str) -> Any:
        """Tasks that differ in their commands; each tells of the mixture that it has made."""
        alias = AssetAlias(f"{workspace}/mixtures")

        def tell(context: Context, result: object = None) -> None:
            task = context["task"]
            words = task.words if self._connection is None else task.application_args
            context["outlet_events"][alias].add(Asset(f"{workspace}/mixtures/{words[-1]}"))

        shared = {"task_id": name, "outlets": [alias], "post_execute": tell}
        if self._connection is None:
            label = "{{ task.words[-1] }}"
            partial = WinnowOperator.partial(
                winnow=self._winnow, map_index_template=label, **shared
            )
            return partial.expand(words=list(commands))
        operator, arguments = self._submit(commands[0][0], False)
        label = "{{ task.application_args[-1] }}"
        partial = operator.partial(map_index_template=label, **arguments, **shared)
        return partial.expand(application_args=[words[1:] for words in commands])

    def _submit(self, command: str, rating: bool) -> tuple[Any, dict[str, Any]]:
        from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator

        job = "run_select.py" if command == "select" else "run_all.py"
        arguments = {"conn_id": self._connection, "application": f"{self._jobs}/{job}"}
        named = {"name": "winnow {{ task.task_id }}"}
        return SparkSubmitOperator, {**named, **self._spark, **arguments} | (
            self._rating if rating else {}
        )


def _read(config: str) -> dict[str, Any]:
    corpus = yaml.safe_load(Path(config).read_text())
    if not isinstance(corpus, dict):
        raise ValueError(f"{config}: should be a mapping")
    return corpus


def _check_plan(corpus: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], plan: str) -> None:
    """The plan has to be of this configuration, for tasks are made from it."""
    stages = {
        str((entry[kind] or {}).get("name", kind))
        for entry in corpus.get("stages") or ()
        for kind in entry
    }
    mixtures = {str(mixture["name"]) for mixture in corpus.get("mixtures") or ()}
    kinds = {str(step["step"]): step.get("kind") for step in steps}
    planned = {name for name, kind in kinds.items() if kind == "mixture"}
    measured = {name.removesuffix(".map") for name, kind in kinds.items() if kind != "mixture"}
    if planned != mixtures or measured - {"ingest"} != stages - {"ingest"}:
        raise ValueError(
            f"{plan} is the plan of another configuration; write it again: "
            "winnow run CONFIG --dry-run --json > PLAN"
        )


def _setting(corpus: Mapping[str, Any], source: str, path: str) -> list[str]:
    """The words that give a source its path; earlier runs' files need not be named any more."""
    names = [str(item["name"]) for item in corpus["sources"]]
    if source not in names:
        raise ValueError(f"inputs: no source {source!r}, there are {', '.join(names)}")
    # Documents are known by their path from the folder before the first wildcard: where a date
    # stands in that folder, files of two dates would have one name, and only the first be read.
    plain = re.split(r"[*?\[]", re.sub(r"{{.*?}}", "\0", path), maxsplit=1)[0]
    if "\0" in plain.rpartition("/")[0]:
        raise ValueError(
            f"inputs.{source}: {path}: let a wildcard follow the template before the next slash, "
            "as in /data/{{ ds }}*/*.jsonl, so that the date is part of the files' names"
        )
    return ["--set", f"sources.{source}.path={path}", "--accept-changes"]


def _workspace(corpus: Mapping[str, Any], config: str) -> str:
    place = os.path.expandvars(str(corpus["workspace"]))
    if "://" in place:
        return place.rstrip("/")
    return Path(config).resolve().parent.joinpath(place).resolve().as_uri()
