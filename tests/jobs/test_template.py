from pathlib import Path

import pytest

from jobs.configuration import load_configuration
from jobs.template import write_template
from schemas.errors import ConfigurationError


def test_the_template_is_a_valid_configuration(tmp_path: Path) -> None:
    path = write_template(tmp_path / "new")
    (tmp_path / "new" / "data").mkdir()
    (tmp_path / "new" / "data" / "a.warc.gz").write_bytes(b"")
    bound = load_configuration(path, environment={})
    assert [stage.name for stage in bound.stages] == [
        "language",
        "signals",
        "tokens",
        "exact_dedup",
        "fuzzy_dedup",
        "quality",
    ]
    assert bound.mixture("main").tokens_column == "n_tokens"


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    path = write_template(tmp_path)
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="File exists"):
        write_template(tmp_path)
    assert path.read_text(encoding="utf-8") == "mine"
