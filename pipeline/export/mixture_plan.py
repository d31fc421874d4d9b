"""A mixture as it is to be made: its selection, and the place of every column that it uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.io.beside import Address
from pipeline.select.plan import Selection


@dataclass(frozen=True)
class MixturePlan:
    """A mixture of the configuration, with the place of every column that it uses."""

    name: str
    config: Mapping[str, Any]
    seed: int
    selection: Selection
    addresses: Mapping[str, Address]
    written: Mapping[str, pa.DataType]
    """Columns beside the fixed ones that its shards carry."""
    tokens_column: str | None
    tokenizer: Mapping[str, str] | None
    stages: tuple[str, ...]
    """Every stage of the configuration, in order."""
