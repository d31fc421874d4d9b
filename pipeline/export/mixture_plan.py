"""A mixture as it is to be made: its selection, how it is written, and where its columns are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.export.formats import Format
from pipeline.export.parquet_rows import ParquetRows
from pipeline.io.beside import Address
from pipeline.io.edits import AppliedEdits
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
    format: Format = field(default_factory=ParquetRows)
    ids: bool = False
    """Whether a file of ids lies beside each shard."""
    per_stratum: bool = False
    """Whether every stratum is a data set of its own."""
    validation: float = 0.0
    """The share of documents that is held out of training."""
    split_by: tuple[str, ...] = ()
    """Rows alike in the first of these columns that is not null are in one split."""
    shard_tokens: int | None = None
    """About how many tokens a shard holds; without, shards are cut by bytes of text."""
    edits: AppliedEdits | None = None
    """What is done to the texts before they are written."""
    blocks: int = 192
    """Into how many blocks the samples of a split are cut for readers."""
