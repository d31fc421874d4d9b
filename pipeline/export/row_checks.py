"""Whether files are those of the manifest, and rows what its configuration lets in."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.export.data_sets import VALIDATION, held_out
from pipeline.export.formats import DataSet, File, Format
from pipeline.export.megatron import Megatron
from pipeline.export.parquet_rows import HuggingFace, ParquetRows
from pipeline.export.samples import STRATUM
from pipeline.export.shards import FIXED
from pipeline.export.token_files import TokenFiles
from pipeline.io.edits import AppliedEdits
from pipeline.io.store import Store
from pipeline.select.expressions import compile_predicate
from pipeline.select.reading import Reading
from schemas.tables import RANGES


def check_file(store: Store, file: File) -> Iterator[tuple[str, str]]:
    """Its path and what is wrong with it: missing, of another size, or changed."""
    if not store.exists(file.path):
        yield file.path, "is missing"
        return
    digest = hashlib.sha256()
    size = 0
    with store.open(file.path) as source:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    if size != file.bytes:
        yield file.path, f"has {size} bytes, the manifest says {file.bytes}"
    elif digest.hexdigest() != file.sha256:
        yield file.path, "its content has changed: the SHA-256 differs"


def check_content(form: Format, batch: pa.RecordBatch) -> Iterator[str]:
    """Whether each row's text or ids are as long as the row says."""
    names = batch.schema.names
    if isinstance(form, ParquetRows):
        yield from (f"lacks the column {name}" for name in FIXED.names if name not in names)
    if "text" in names and "n_bytes" in names:
        sizes = pc.binary_length(batch.column("text")).cast(pa.int64())
        if not pc.all(pc.equal(sizes, batch.column("n_bytes"))).as_py():
            yield "n_bytes is not the length of every text"
    if isinstance(form, Megatron | TokenFiles):
        ids = batch.column("input_ids")
        end = form.vocabulary.eod
        lengths = pc.list_value_length(ids).to_numpy() - (end is not None)
        if not np.array_equal(lengths, batch.column("n_tokens").to_numpy()):
            yield "its documents have other numbers of tokens than its ids say"
        flat = ids.flatten().to_numpy()
        if (flat >= form.vocabulary.size).any():
            yield "has ids that the vocabulary lacks"
        if end is not None and (flat[np.cumsum(lengths + 1) - 1] != end).any():
            yield f"has documents that do not end with {end}"


def check_rules(manifest: Mapping[str, Any], data: DataSet, batch: pa.RecordBatch) -> Iterator[str]:
    """Whether each row may be in this data set, as far as its columns tell."""
    where = manifest["config"].get("where")
    whole = manifest["format"]["name"] in (ParquetRows.name, HuggingFace.name)
    # Of an edited text the shard has other lengths than `where` has seen, and no ranges.
    ranges = AppliedEdits.of(manifest["edits"]).edits.columns if "edits" in manifest else ()
    told = {"n_bytes", "n_tokens", *ranges} if "edits" in manifest else set()
    if where and whole:
        reading = _reading(manifest, batch.schema)
        fields = {**{name: pa.field(name, RANGES) for name in ranges}, **reading.catalogue}
        seen = compile_predicate(where, fields, "where").columns
        if not (told & set(seen) or reading.passes_where(batch).all()):
            yield f"holds documents that are not kept by where: {where}"
    if (
        data.stratum is not None
        and not pc.all(pc.equal(batch.column(STRATUM), data.stratum)).as_py()
    ):
        yield "holds documents of another stratum"
    if data.split == VALIDATION and pc.any(pc.greater(batch.column("copy"), 0)).as_py():
        yield "repeats documents that are held out"
    split = manifest["splits"].get(VALIDATION)
    if split is None or not set(split["by"]) <= set(batch.schema.names):
        return
    groups = pc.coalesce(*(batch.column(name).cast(pa.string()) for name in split["by"]))
    held = held_out(manifest["seed"], split["share"], groups)
    if (held != (data.split == VALIDATION)).any():
        yield f"holds documents that belong to another split than {data.split}"


def _reading(manifest: Mapping[str, Any], schema: pa.Schema) -> Reading:
    """The rules of the manifest, over the columns of a shard."""
    return Reading(
        catalogue={field.name: field for field in schema},
        seed=manifest["seed"],
        where=manifest["config"]["where"],
        strata=tuple(manifest["config"].get("strata", ())),
        fitted=manifest["selection"].get("fitted", {}),
    )
