"""A plain PyTorch loop on several ranks, saved and resumed in the middle of an epoch.

torchrun --nproc-per-node 2 distributed_loop.py MIXTURE STEPS [STATE]: trains on a mixture of
texts; with STATE, a file, it goes on from there if it is there, and leaves the next there.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from pipeline.export.reader import MixtureDataset, merge_states, token_shares

GLOBAL_BATCH = 4


def collate(samples: list[dict[str, Any]]) -> tuple[list[str], torch.Tensor]:
    """Ids, and how often each byte comes in a text."""
    counts = [
        torch.bincount(torch.tensor(list(sample["text"].encode())), minlength=256)
        for sample in samples
    ]
    return [sample["id"] for sample in samples], torch.stack(counts).float()


def main(mixture: str, steps: int, state: Path | None) -> None:
    """Take so many steps; the first rank writes the state, which fits any number of ranks."""
    dist.init_process_group("gloo")
    batch = GLOBAL_BATCH // dist.get_world_size()
    dataset = MixtureDataset(mixture, batch_size=batch, even=True)
    if state and state.exists():
        dataset.load_state_dict(json.loads(state.read_text()))
    torch.manual_seed(0)
    model = DistributedDataParallel(torch.nn.Sequential(torch.nn.Linear(256, 8)))
    optimizer = torch.optim.SGD(model.parameters(), 1e-4)
    loader = iter(DataLoader(dataset, batch_size=batch, collate_fn=collate))
    seen: list[list[str]] = []
    for _ in range(steps):
        ids, counts = next(loader)
        seen.append(ids)
        optimizer.zero_grad()
        model(counts).square().mean().backward()
        optimizer.step()
    weight = sum(float(p.sum()) for p in model.parameters())
    mine = ({"rank": dist.get_rank(), "seen": seen, "weight": weight}, dataset.state_dict())
    all_ranks: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(all_ranks, mine)
    if dist.get_rank() == 0:
        told, states = zip(*all_ranks, strict=True)
        print(json.dumps({"ranks": told, "shares": token_shares(states)}))
        if state:
            state.write_text(json.dumps(merge_states(states)))
    # A rank that leaves while another still has its connection open would abort it.
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
