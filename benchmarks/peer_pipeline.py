"""datatrove's filters and its four MinHash stages over JSONL files; run by the peers' Python.

Usage: PYTHON peer_pipeline.py INPUT FOLDER CORES, a task for each file; prints its seconds.
"""

import sys
import time
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter


def steps(source: str, folder: Path, tasks: int) -> dict[str, tuple[int, list[PipelineStep]]]:
    """What is run one after the other, and by how many tasks."""
    place = {name: str(folder / name) for name in ("kept", "signatures", "bands", "drop", "out")}
    filters = (GopherQualityFilter, GopherRepetitionFilter, C4QualityFilter, FineWebQualityFilter)
    config = MinhashConfig()

    def kept() -> PipelineStep:
        return JsonlReader(place["kept"])

    return {
        "filters": (
            tasks,
            [JsonlReader(source), *(make() for make in filters), JsonlWriter(place["kept"])],
        ),
        "signatures": (tasks, [kept(), MinhashDedupSignature(place["signatures"], config)]),
        "buckets": (
            config.num_buckets,
            [MinhashDedupBuckets(place["signatures"], place["bands"], config=config)],
        ),
        "clusters": (1, [MinhashDedupCluster(place["bands"], place["drop"], config=config)]),
        "write-out": (
            tasks,
            [kept(), MinhashDedupFilter(place["drop"]), JsonlWriter(place["out"])],
        ),
    }


def main() -> None:
    """Run all, timed by the wall's clock, with the start of its processes."""
    source, folder, cores = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    tasks = len(list(Path(source).iterdir()))
    begin = time.monotonic()
    for name, (count, pipeline) in steps(source, folder, tasks).items():
        LocalPipelineExecutor(
            pipeline, tasks=count, workers=cores, logging_dir=str(folder / "logs" / name)
        ).run()
    print(time.monotonic() - begin)


if __name__ == "__main__":
    main()
