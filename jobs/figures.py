"""What a run did, step by step."""

from dataclasses import dataclass, field

from pipeline.spark.engine import StageFigures
from pipeline.spark.ingest import IngestFigures
from pipeline.spark.mixture import MixtureFigures


@dataclass
class RunFigures:
    """What a run did; the summary and `--json` show it."""

    ingest: IngestFigures
    stages: list[StageFigures] = field(default_factory=list)
    mixtures: list[MixtureFigures] = field(default_factory=list)
    seconds: float = 0.0
    spark_seconds: float = 0.0
