"""How often Spark has tried the task that this worker runs."""


def attempt() -> int:
    """0 at the first try; in the driver always 0."""
    from pyspark import TaskContext

    context = TaskContext.get()
    return context.attemptNumber() if context else 0
