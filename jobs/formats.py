"""Binds a mixture's `write` to the format that it names."""

import os
from typing import TYPE_CHECKING

from jobs.parameters import Problem
from schemas.mixture import Mixture

if TYPE_CHECKING:
    from pipeline.export.formats import Format


def bind_format(
    mixture: Mixture, tokenizer: str | None, problems: list[Problem]
) -> "Format | None":
    """The format; None, and a problem more, where its tokenizer does not do."""
    from pipeline.export.json_lines import JsonLines
    from pipeline.export.mds import Mds
    from pipeline.export.parquet_rows import HuggingFace, ParquetRows

    write = mixture.write
    plain = {form.name: form for form in (ParquetRows(), HuggingFace(), JsonLines(), Mds())}
    if write.format in plain:
        return plain[write.format]
    assert tokenizer is not None
    from pipeline.export.megatron import Megatron
    from pipeline.export.token_files import TokenFiles
    from pipeline.export.tokenized import open_vocabulary

    try:
        vocabulary = open_vocabulary(tokenizer, mixture.ends, write.eod_token)
    except (ValueError, OSError) as error:
        problems.append((("write", "eod_token") if write.eod_token else ("write",), str(error)))
        return None
    if write.format == "megatron":
        return Megatron(vocabulary)
    return TokenFiles(vocabulary, write.style, os.path.basename(tokenizer))
