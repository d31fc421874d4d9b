"""The global order of a split's samples, and how it is dealt to ranks and workers."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.errors import WinnowError


@dataclass(frozen=True)
class Blocks:
    """A split's rows cut into as many blocks, equal but for one row.

    The global order takes one row of each block in turn. A rank whose number of ranks divides
    the number of blocks thus reads blocks of its own, each from front to back.
    """

    rows: int
    blocks: int

    def begin(self, block: int) -> int:
        """The first row of a block; of the block after the last, the number of rows."""
        size, longer = divmod(self.rows, self.blocks)
        return block * size + min(block, longer)

    def place(self, index: int) -> tuple[int, int]:
        """The block and the row of a sample of the global order."""
        offset, block = divmod(index, self.blocks)
        return block, self.begin(block) + offset


@dataclass(frozen=True)
class Deal:
    """Which samples one worker of one rank takes, from the sample `start` of the order on.

    Ranks take a sample in turn, and so a batch of each together is a run of the global order;
    the workers of a rank take its batches in turn, as PyTorch's DataLoader asks them for.
    """

    rank: int = 0
    ranks: int = 1
    worker: int = 0
    workers: int = 1
    batch_size: int = 1
    start: int = 0

    def check(self, blocks: int) -> None:
        """WinnowError where the ranks can't have blocks of their own."""
        if blocks % self.ranks:
            fit = [n for n in range(1, blocks + 1) if blocks % n == 0]
            raise WinnowError(
                f"{self.ranks} ranks can't share {blocks} blocks evenly: take"
                f" {', '.join(map(str, fit))}, or write the mixture with other `blocks`"
            )

    def index(self, taken: int) -> int:
        """The place in the global order of what this worker takes after `taken` samples."""
        batch, place = divmod(taken, self.batch_size)
        mine = (batch * self.workers + self.worker) * self.batch_size + place
        return self.start + mine * self.ranks + self.rank

    def indices(self, taken: int, rows: int, even: bool) -> Iterator[int]:
        """The places from there on; with `even`, every rank takes as many."""
        if even:
            rows -= (rows - self.start) % self.ranks
        while (index := self.index(taken)) < rows:
            yield index
            taken += 1
