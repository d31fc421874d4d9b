"""The mixtures that the tests of formats share."""

from pathlib import Path

import pytest
from support import here
from support.mixtures import make_written_corpus


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, spark: object) -> Path:
    """A workspace with a mixture in every format."""
    configuration = make_written_corpus(tmp_path_factory.mktemp("formats"))
    here("run", str(configuration))
    return configuration.parent / "work"


@pytest.fixture(scope="session")
def mixtures(workspace: Path) -> Path:
    """The folder of its mixtures."""
    return workspace / "mixtures"
