"""Parts: what is read of them, also where they lack a column."""

from pathlib import Path

import pyarrow as pa

from pipeline.io.parts import PartReader, PartWriter
from pipeline.io.store import open_store


def test_a_part_that_lacks_a_column_of_dictionaries_gives_nulls(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    batch = pa.record_batch([pa.array(["a", "b"]), pa.array(["en", None])], ["id", "language"])
    with PartWriter(store, "documents/p.parquet", batch.schema) as writer:
        writer.write(batch, batch.column("id"))
        writer.commit({}, "ingest.part")
    with PartReader(store, "documents/p.parquet", None, ["language", "domain"]) as reader:
        read = reader.read(0, ["id", "language", "domain"])
    assert pa.types.is_dictionary(read.schema.field("language").type)
    assert read.to_pylist() == [
        {"id": "a", "language": "en", "domain": None},
        {"id": "b", "language": None, "domain": None},
    ]
