"""The columns of ratings, whichever rater gives them."""

import json

import pyarrow as pa

from raters.criteria import CRITERIA, DOMAINS
from schemas.tables import NAMES, VALUES

Row = dict[str, int | float | bool | str | None]
"""Values by column; a column that is not named is null."""


def rating_columns() -> list[pa.Field]:
    """Each criterion as an integer with its expected value, the domain, how sure both are."""
    columns = [
        field
        for name in CRITERIA
        for field in (pa.field(name, pa.int8()), pa.field(f"{name}_expected", pa.float32()))
    ]
    names = {name: letter for letter, name in DOMAINS.items()}
    letters = {VALUES: json.dumps(list(DOMAINS)), NAMES: json.dumps(names)}
    return [
        *columns,
        pa.field("overall_score_entropy", pa.float32()),
        pa.field("domain", pa.string(), metadata=letters),
        pa.field("domain_probability", pa.float32()),
    ]


def model_columns() -> list[pa.Field]:
    """What a language model's ratings tell besides: how willing it was, and how much it read."""
    return [
        pa.field("quality_grammar_mass", pa.float32()),
        pa.field("quality_grammar_mass_min", pa.float32()),
        pa.field("quality_residual_mass", pa.float32()),
        pa.field("quality_truncated", pa.bool_()),
        pa.field("quality_rated_tokens", pa.int64()),
        pa.field("quality_n_tokens", pa.int64()),
        pa.field("quality_reason", pa.string()),
    ]
