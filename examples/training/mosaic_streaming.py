"""MosaicML streaming on a mixture in MDS: python mosaic_streaming.py MIXTURE.

A mixture with a data set for each stratum is mixed here, in the proportions that it achieved.
"""

import json
import sys
from pathlib import Path

from streaming import Stream, StreamingDataset


def main(mixture: Path) -> None:
    """Read an epoch, and tell of it."""
    told = json.loads((mixture / "streaming.json").read_text())["streams"]
    streams = [
        Stream(
            local=str(mixture / stream["local"]),
            proportion=stream["proportion"],
            validate_hash="sha256",
        )
        for stream in told
    ]
    dataset = StreamingDataset(streams=streams, batch_size=1, shuffle=False)
    samples = [dataset[number] for number in range(dataset.num_samples)]
    print(json.dumps({"samples": samples, "epoch": dataset.epoch_size}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
