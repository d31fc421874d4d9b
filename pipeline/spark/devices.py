"""GPUs for the tasks that run a model, as Spark hands them out."""

from typing import TYPE_CHECKING

from pipeline.stages.isolated import IDLE

if TYPE_CHECKING:
    from pyspark.resource import ResourceProfile
    from pyspark.sql import SparkSession

DEVICE = "gpu"
"""The resource that Spark is asked for, by the name that Spark's own settings use."""

_IDLE_SECONDS = 5
"""Longer than it takes from part to part of a task, and shorter than a model takes to load."""


def with_device(session: "SparkSession") -> "ResourceProfile | None":
    """What a task that runs a model needs: a GPU, where executors have any.

    None where there are none, where every task of the application is given one anyway, and in a
    local master, which hands out nothing.
    """
    context = session.sparkContext
    conf = context.getConf()
    per_executor = int(conf.get(f"spark.executor.resource.{DEVICE}.amount", "0") or 0)
    per_task = float(conf.get(f"spark.task.resource.{DEVICE}.amount", "0") or 0)
    if not per_executor or per_task >= 1 or str(context.master).partition("[")[0] == "local":
        return None
    from pyspark.resource import ResourceProfileBuilder, TaskResourceRequests

    cores = int(conf.get("spark.task.cpus", "1") or 1)
    requests = TaskResourceRequests().cpus(cores).resource(DEVICE, 1)
    return ResourceProfileBuilder().require(requests).build


def visible_devices() -> dict[str, str]:
    """The environment in which this task's model sees the GPUs that are the task's, and no other.

    Empty where Spark hands out none: the model then sees what the worker sees.
    """
    from pyspark import TaskContext

    context = TaskContext.get()
    found = context.resources().get(DEVICE) if context else None
    if not found:
        return {}
    # The GPU's next task may be another Python worker's: its model must not meet this one's.
    return {"CUDA_VISIBLE_DEVICES": ",".join(found.addresses), IDLE: str(_IDLE_SECONDS)}
