"""The samples of a mixture's shards, each beside the document that it came from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.export.formats import IDS_SUFFIX, Format, Shard
from pipeline.export.json_lines import JsonLines
from pipeline.export.mds import Mds
from pipeline.export.megatron import Megatron
from pipeline.export.parquet_rows import HuggingFace, ParquetRows
from pipeline.export.row_groups import read_rows
from pipeline.export.shards import TRACED_PREFIX
from pipeline.export.token_files import TokenFiles
from pipeline.export.tokenized import Vocabulary
from pipeline.io.store import Store
from pipeline.select.strata import stratum_keys
from schemas.errors import WinnowError

STRATUM = f"{TRACED_PREFIX}stratum"
"""The column of samples that no shard can have: the key of the stratum."""

TOLD = ("id", "source", "domain", "n_tokens", "copy")
"""What a file of ids says of a sample that the sample may say itself."""


def format_of(manifest: Mapping[str, Any]) -> Format:
    """The format of a mixture's shards, fit for reading them."""
    told = manifest["format"]
    plain = {form.name: form for form in (ParquetRows(), HuggingFace(), JsonLines(), Mds())}
    if told["name"] in plain:
        return plain[told["name"]]
    vocabulary = Vocabulary("", told["eod"], told["vocabulary"])
    if told["name"] == Megatron.name:
        return Megatron(vocabulary)
    if told["name"] == TokenFiles.name:
        return TokenFiles(vocabulary, told["style"], "")
    raise WinnowError(f"no format '{told['name']}'")


def read_samples(
    store: Store,
    form: Format,
    shard: Shard,
    strata: Sequence[str],
    first: int = 0,
    rows: int = 64,
) -> Iterator[pa.RecordBatch]:
    """The samples of a shard from the row `first` on, with what their file of ids says.

    Each has the key of its stratum as `STRATUM`: a column `stratum` is a shard's own.
    `strata` are the columns by which a shard without such a file is stratified.
    """
    ids = f"{_stem(shard.path)}{IDS_SUFFIX}"
    content = form.read(store, shard.path, first, rows)
    if ids in {file.path for file in shard.beside}:
        yield from _beside(shard, content, read_rows(store, ids, first, 1024))
        return
    for batch in content:
        yield batch.append_column(STRATUM, stratum_keys(batch, strata))


def _stem(path: str) -> str:
    """A shard's path without its suffix: its name has no other dot."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}"


def _beside(
    shard: Shard, content: Iterator[pa.RecordBatch], ids: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Both row by row; WinnowError where they are not of the same documents."""
    held: list[pa.RecordBatch] = []
    for batch in content:
        while sum(map(len, held)) < len(batch):
            more = next(ids, None)
            if more is None:
                raise WinnowError(f"{shard.path}: there are more samples than ids")
            held.append(more)
        rows = pa.Table.from_batches(held).combine_chunks()
        told = rows.slice(0, len(batch)).combine_chunks().to_batches()[0]
        held = rows.slice(len(batch)).to_batches()
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name in TOLD:
            found = columns.setdefault(name, told.column(name))
            if not found.cast(told.column(name).type).equals(told.column(name)):
                raise WinnowError(f"{shard.path}: its samples are not those of its ids ({name})")
        columns[STRATUM] = told.column("stratum")
        yield pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    if sum(map(len, held)) or next(ids, None) is not None:
        raise WinnowError(f"{shard.path}: there are fewer samples than ids")
