"""How much a rater stage has to do, and how long it takes: from a few documents, rated here."""

import heapq
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.beside import Address
from pipeline.select.samplers import draws
from pipeline.spark.halves import StageHalf
from pipeline.spark.standing import StageState, Standing
from pipeline.stages.base import MapStage
from pipeline.stages.isolated import IsolatedStage
from pipeline.stages.sliced import SlicedPart

SECONDS = 45.0
"""No document is begun later than so many seconds after the first; loading is not counted."""

MOST = 256
"""So many documents are rated at most."""

LOOKED_AT = 64 << 20
"""They are chosen from the first parts that hold so many bytes of text."""

_BESIDE = {"id": Address(None, "id"), "n_bytes": Address(None, "n_bytes")}


@dataclass
class Forecast:
    """What is left of a rater stage; `seconds` are those of one worker like this process."""

    documents: int
    bytes: int
    bound: bool
    """Whether there may be fewer, as what decides it has not been measured."""
    sampled: int = 0
    tokens: int | None = None
    seconds: float | None = None
    gpu_hours: float | None = None
    note: str = ""


def forecast(standing: Standing, state: StageState, calibrate: bool) -> Forecast:
    """What is left, and from documents chosen by their ids' hash how long it takes."""
    half, parts = state.halves[0], state.todo[0]
    known = standing.complete(half.needs)
    found = Forecast(0, 0, bound=not known)
    sample: list[tuple[int, str, int, pa.RecordBatch]] = []
    for part in parts:
        if not known:
            found.documents, found.bytes = found.documents + part.rows, found.bytes + part.bytes
            continue
        with SlicedPart(standing.task(part, [half.work()])) as sliced:
            for span, rows in sliced.missing():
                beside = sliced.read(span, rows, _BESIDE)
                look = calibrate and found.bytes < LOOKED_AT
                found.documents += len(rows)
                found.bytes += pc.sum(beside.column("n_bytes")).as_py() or 0
                if look and len(rows):
                    _draw(sample, beside, sliced.read(span, rows, half.reads))
    if not calibrate or not found.documents:
        return found
    if not known:
        found.note = "not calibrated: the stages before have to be measured first"
        return found
    ordered = sorted(sample, key=lambda item: (-item[0], item[1]))
    _rate(half, [(size, row) for _, _, size, row in ordered], found)
    return found


def _draw(
    sample: list[tuple[int, str, int, pa.RecordBatch]], beside: pa.RecordBatch, rows: pa.RecordBatch
) -> None:
    """Keep the rows whose ids have the smallest hashes."""
    ids, sizes = beside.column("id").to_pylist(), beside.column("n_bytes").to_pylist()
    for row, place in enumerate(draws(0, "calibrate", beside.column("id")).tolist()):
        if len(sample) < MOST or -place > sample[0][0]:
            # Its own rows alone: a slice would keep all of the others' text.
            item = (-place, ids[row], sizes[row], rows.take(pa.array([row])))
            (heapq.heappush if len(sample) < MOST else heapq.heapreplace)(sample, item)


def _rate(half: StageHalf, sample: list[tuple[int, pa.RecordBatch]], found: Forecast) -> None:
    """Rate for a while; what is left goes as the bytes of the texts do."""
    stage = half.stage
    assert isinstance(stage, MapStage)
    tokens = held = 0
    spent = 0.0
    with IsolatedStage(stage) as isolated:
        # The model is loaded, and its kernels are warm, before anything is timed.
        isolated.apply(sample[0][1])
        for batch, size in _batches(sample):
            began = time.monotonic()
            result, _ = isolated.apply(batch)
            spent += time.monotonic() - began
            held, found.sampled = held + size, found.sampled + len(batch)
            if stage.tokens_column is not None and result is not None:
                tokens += pc.sum(result.column(stage.tokens_column)).as_py() or 0
            if spent > SECONDS / 3:
                break  # The next batch is twice as large.
    share = found.bytes / max(held, 1)
    found.seconds = spent * share
    found.tokens = round(tokens * share) if stage.tokens_column is not None else None
    found.gpu_hours = found.seconds / 3600 if stage.accelerated() else 0.0


def _batches(sample: list[tuple[int, pa.RecordBatch]]) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Batches that grow: the first ones are small, lest they take too long."""
    start, count = 0, 1
    while start < len(sample):
        some = sample[start : start + count]
        yield pa.concat_batches([row for _, row in some]), sum(size for size, _ in some)
        start, count = start + count, 2 * count
