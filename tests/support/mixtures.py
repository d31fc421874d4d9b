"""One corpus written as a mixture in every format, and shards of a few rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.export.formats import Format, Shard
from pipeline.export.shards import ShardForm, carried_schema, mixture_schema, write_shard
from pipeline.io.store import Store
from pipeline.io.tokenizer import load_tokenizer
from support import make_documents, write_jsonl

SELECTION = """\
where: "n_words >= 10", unique: exact_cluster_id, score: alphabetic_word_ratio,
    sampler: {method: gumbel, temperature: 0.5}, strata: [source], quotas: equal,
    tokens: 12_000, tokenizer: shipped"""

WRITTEN = {
    "jsonl": "write: {format: jsonl, shard_tokens: 3_000}",
    "mds": "write: {format: mds, shard_tokens: 3_000}, layout: per_stratum, validation: 0.2",
    "megatron": "write: {format: megatron, shard_tokens: 3_000}, validation: 0.2",
    "blend": "write: {format: megatron, shard_tokens: 3_000}, layout: per_stratum",
    "olmo": "write: {format: tokens, shard_tokens: 3_000}",
    "datatrove": "write: {format: tokens, style: datatrove, shard_tokens: 3_000}",
    "huggingface": "write: {format: huggingface, shard_tokens: 3_000}, validation: 0.2",
}
"""How each mixture of the corpus is written."""

REPEATED = """\
  - {name: repeated, where: "n_words >= 10 and stratum in ('list', 'prose')", strata: [source],
    quotas: equal, tokens: 90_000, tokenizer: shipped, shortfall: repeat, max_repeats: 3,
    validation: 0.2, write: {shard_tokens: 20_000}}
"""

_HEAD = """\
workspace: ./work
seed: 7
part_bytes: 40_000
max_rejects: 0.5
sources:
  - name: one
    path: one/*.jsonl
    # Names that Winnow's own files have for something else, too.
    columns: &columns
      {kind: kind, license: license, stratum: kind, shard: kind, order: kind, position: kind}
  - {name: two, path: "two/*.jsonl", columns: *columns}
stages:
  - signals: {}
  - tokens: {}
  - exact_dedup: {}
mixtures:
"""


def make_written_corpus(folder: Path) -> Path:
    """A configuration of a small corpus that is written in every format."""
    for seed, source in enumerate(("one", "two")):
        documents = [
            {**document, "license": (None, "mit", "cc-by-4.0")[number % 3]}
            for number, document in enumerate(make_documents(seed, 90))
        ]
        write_jsonl(folder / source / "a.jsonl", documents)
    entries = [f"  - {{name: {name}, {SELECTION}, {how}}}\n" for name, how in WRITTEN.items()]
    configuration = folder / "winnow.yaml"
    configuration.write_text(_HEAD + "".join(entries) + REPEATED)
    return configuration


def rows(texts: Sequence[str], sources: Sequence[str] = ("one", "two")) -> pa.RecordBatch:
    """Rows as writing carries them, with tokens counted by the shipped tokenizer."""
    count = len(texts)
    tokenizer = load_tokenizer("shipped")
    found = {
        "id": [f"{number:032x}" for number in range(count)],
        "copy": [0] * count,
        "text": list(texts),
        "source": [sources[number % len(sources)] for number in range(count)],
        "n_bytes": [len(text.encode()) for text in texts],
        "n_tokens": [len(tokenizer.encode(t, add_special_tokens=False)) for t in texts],
        "winnow.stratum": [f'["{sources[number % len(sources)]}"]' for number in range(count)],
        "winnow.domain": ["A"] * count,
    }
    schema = carried_schema(mixture_schema({}))
    columns = [pa.array(found.get(f.name, [None] * count), f.type) for f in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def shard_of_rows(store: Store, form: Format, batches: Sequence[pa.RecordBatch]) -> Shard:
    """A shard of these rows in the folder `m` of a store."""
    ends = form.to_json().get("eod") is not None
    shard_form = ShardForm(form, mixture_schema({}), form.traced, ends)
    shard, _ = write_shard(store, "m", "shard-00000", shard_form, batches)
    return shard


def cut(batch: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
    """The same rows in smaller batches."""
    for start in range(0, len(batch), size):
        yield batch.slice(start, size)
