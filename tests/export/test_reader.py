"""What trainers read: one order for any ranks and workers, resumed exactly, never damaged data."""

import pickle
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ROOT
from torch.utils.data import DataLoader

from pipeline.export.order import Blocks, Deal
from pipeline.export.reader import MixtureDataset, merge_states, token_shares
from pipeline.export.verify import read_manifest
from schemas.errors import ConfigurationError, WinnowError

Batch = list[dict[str, Any]]


# torch counts the cores of this machine, which has few, not of the one that trains
pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create", "ignore:'set_vital' is deprecated"
)


def listed(batch: Batch) -> Batch:
    return batch


def loaded(dataset: MixtureDataset, workers: int, batch: int) -> Iterator[Batch]:
    return iter(DataLoader(dataset, batch_size=batch, num_workers=workers, collate_fn=listed))


def names(samples: Sequence[dict[str, Any]]) -> list[str]:
    return [f"{sample['id']}/{sample['copy']}" for sample in samples]


@given(st.integers(0, 400), st.integers(1, 50))
def test_blocks_hold_every_row_once(rows: int, count: int) -> None:
    blocks = Blocks(rows, count)
    assert sorted(blocks.place(index)[1] for index in range(rows)) == list(range(rows))
    sizes = [blocks.begin(n + 1) - blocks.begin(n) for n in range(count)]
    assert sum(sizes) == rows
    assert max(sizes) - min(sizes) <= 1
    for index in range(rows):
        block, row = blocks.place(index)
        assert blocks.begin(block) <= row < blocks.begin(block + 1)


@settings(max_examples=200)
@given(
    st.sampled_from([1, 2, 3, 4, 6, 12]),
    st.sampled_from([1, 2, 4]),
    st.integers(1, 5),
    st.integers(0, 60),
)
def test_a_global_batch_is_a_run_of_the_order(
    ranks: int, workers: int, batch: int, start: int
) -> None:
    """Whatever the ranks and workers; and a rank reads blocks of its own."""
    rows, blocks = 240, Blocks(240, 12)
    streams = {
        (rank, worker): Deal(rank, ranks, worker, workers, batch, start).indices(0, rows, False)
        for rank in range(ranks)
        for worker in range(workers)
    }
    at, step = start, 0
    while at < rows:
        union = [
            index for rank in range(ranks) for index in islice(streams[rank, step % workers], batch)
        ]
        end = min(rows, at + batch * ranks)
        assert sorted(union) == list(range(at, end))
        at, step = end, step + 1
    for rank in range(ranks):
        own = {blocks.place(i)[0] for i in Deal(rank, ranks, start=start).indices(0, rows, False)}
        assert {block % ranks for block in own} <= {(start + rank) % ranks}


@pytest.mark.parametrize("name", ["jsonl", "mds", "megatron", "olmo", "huggingface", "repeated"])
def test_every_sample_comes_once(mixtures: Path, name: str) -> None:
    manifest = read_manifest(str(mixtures / name))
    for split, told in manifest["splits"].items():
        samples = list(MixtureDataset(str(mixtures / name), split))
        assert len(samples) == len(set(names(samples))) == told["documents"]
        ends = len(samples) if manifest["format"].get("eod") is not None else 0
        assert sum(sample["n_tokens"] for sample in samples) + ends == told["tokens"]
        content = "input_ids" if "dtype" in manifest["format"] else "text"
        assert all(len(sample[content]) for sample in samples)


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_the_union_of_a_global_batch_is_the_same(mixtures: Path, ranks: int, workers: int) -> None:
    location, whole = str(mixtures / "repeated"), 8
    order = names(list(MixtureDataset(location)))
    batch = whole // ranks
    loaders = [
        loaded(MixtureDataset(location, rank=r, ranks=ranks, batch_size=batch), workers, batch)
        for r in range(ranks)
    ]
    for step in range(6):
        union = [name for loader in loaders for name in names(next(loader))]
        assert sorted(union) == sorted(order[step * whole : (step + 1) * whole])


@pytest.mark.parametrize("stop", [1, 7, 50])
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_state_goes_on_with_other_ranks(mixtures: Path, stop: int, ranks: int) -> None:
    location = str(mixtures / "repeated")
    order = names(list(MixtureDataset(location)))
    states = []
    for rank in range(2):
        dataset = MixtureDataset(location, rank=rank, ranks=2)
        assert names(list(islice(dataset, stop))) == order[rank : 2 * stop : 2]
        states.append(pickle.loads(pickle.dumps(dataset.state_dict())))
    for state in (states[0], merge_states(states)):
        rest: list[str] = []
        for rank in range(ranks):
            dataset = MixtureDataset(location, rank=rank, ranks=ranks)
            dataset.load_state_dict(state)
            mine = names(list(dataset))
            assert mine == order[2 * stop + rank :: ranks]
            rest += mine
        assert sorted(rest) == sorted(order[2 * stop :])


@pytest.mark.parametrize("workers", [0, 2, 4])
def test_a_stateful_loader_goes_on_exactly(mixtures: Path, workers: int) -> None:
    torchdata = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is absent")
    location = str(mixtures / "repeated")

    def loader() -> Any:
        dataset = MixtureDataset(location, batch_size=3)
        return torchdata.StatefulDataLoader(
            dataset, batch_size=3, num_workers=workers, collate_fn=listed
        )

    order = [names(batch) for batch in loader()]
    for stop in (1, 6):
        begun = loader()
        before = [names(batch) for batch in islice(begun, stop)]
        state = pickle.loads(pickle.dumps(begun.state_dict()))
        resumed = loader()
        resumed.load_state_dict(state)
        assert before + [names(batch) for batch in resumed] == order
        # The same state, merged, fits another number of ranks and workers.
        single = MixtureDataset(location)
        single.load_state_dict(merge_states(state))
        assert names(list(single)) == [name for batch in order[stop:] for name in batch]
        assert sum(token_shares([state]).values()) == pytest.approx(1)


def test_a_state_of_a_worker_fits_no_other(mixtures: Path) -> None:
    dataset = MixtureDataset(str(mixtures / "jsonl"))
    state = {**dataset.state_dict(), "workers": 2, "worker": 1}
    with pytest.raises(WinnowError, match="a worker with worker 1, not 0"):
        dataset.load_state_dict(state)
    with pytest.raises(WinnowError, match="not those of all 2 workers"):
        merge_states(state)
    other = MixtureDataset(str(mixtures / "olmo"))
    with pytest.raises(WinnowError, match="another mixture"):
        other.load_state_dict(dataset.state_dict())
    one, two = {**state, "workers": 1}, {**state, "workers": 1, "rank": 1, "taken": 5}
    with pytest.raises(WinnowError, match="not in step"):
        merge_states([one, two])


def test_a_second_epoch_begins_anew(mixtures: Path) -> None:
    dataset = MixtureDataset(str(mixtures / "jsonl"))
    order = names(list(dataset))
    list(islice(dataset, 5))
    assert names(list(dataset)) == order
    dataset.load_state_dict({**dataset.state_dict(), "taken": 9})
    assert names(list(dataset)) == order[9:]
    assert names(list(dataset)) == order


def test_ranks_must_divide_the_blocks(mixtures: Path) -> None:
    with pytest.raises(WinnowError, match="5 ranks can't share 192 blocks evenly: take 1, 2, 3, 4"):
        MixtureDataset(str(mixtures / "jsonl"), rank=0, ranks=5)


def test_even_ranks_take_as_many(mixtures: Path) -> None:
    location = str(mixtures / "jsonl")
    rows = MixtureDataset(location).rows
    for even in (False, True):
        sizes = [
            len(list(MixtureDataset(location, rank=r, ranks=16, even=even))) for r in range(16)
        ]
        assert sum(sizes) == (rows - rows % 16 if even else rows)
        assert (len(set(sizes)) == 1) is even


def test_damaged_data_is_refused(mixtures: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(mixtures / "megatron", tmp_path / "copy"))
    path = copy / read_manifest(str(copy))["splits"]["train"]["shards"][-1]
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    with pytest.raises(WinnowError, match=f"{path.name}: its content has changed"):
        list(MixtureDataset(str(copy)))
    assert len(list(MixtureDataset(str(copy), check=False))) > 0
    content[0] ^= 1
    path.write_bytes(content)
    path.with_suffix(".idx").unlink()
    with pytest.raises(WinnowError, match="is missing"):
        list(MixtureDataset(str(copy)))
    with pytest.raises(ConfigurationError, match="no split 'test', only train, validation"):
        MixtureDataset(str(copy), "test")


def test_the_share_of_each_stratum_is_told(mixtures: Path) -> None:
    dataset = MixtureDataset(str(mixtures / "jsonl"))
    tokens: Counter[str] = Counter()
    for sample in islice(dataset, 17):
        tokens[sample["stratum"]] += sample["n_tokens"]
    total = sum(tokens.values())
    assert dataset.shares() == {s: pytest.approx(n / total) for s, n in tokens.items()}
    states = []
    for rank in range(2):
        part = MixtureDataset(str(mixtures / "jsonl"), rank=rank, ranks=2)
        list(part)
        states.append(part.state_dict())
    told = {
        cut["stratum"]: cut["achieved"] for cut in read_manifest(str(mixtures / "jsonl"))["strata"]
    }
    shares = token_shares(states)
    assert shares == {s: pytest.approx(n / sum(told.values())) for s, n in told.items()}


def test_a_stratum_is_read_alone(mixtures: Path) -> None:
    location = str(mixtures / "blend")
    samples = list(MixtureDataset(location, stratum='["one"]'))
    assert {sample["source"] for sample in samples} == {"one"}
    assert {sample["source"] for sample in MixtureDataset(location)} == {"one", "two"}
    with pytest.raises(ConfigurationError, match="no data set of the stratum"):
        MixtureDataset(location, stratum='["three"]')


def test_reading_needs_neither_spark_nor_raters() -> None:
    code = (
        "import sys, pipeline.export.reader\n"
        "assert not {'pyspark', 'raters', 'jobs', 'transformers'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
