"""What the tests of whole runs share: a Spark cluster of this machine."""

from collections.abc import Iterator

import pytest
from support.cluster import Cluster, bare_python, spark_cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and two workers; their executors' Python lacks Winnow."""
    folder = tmp_path_factory.mktemp("spark")
    local = str(folder / "local")
    with spark_cluster(folder, bare_python(folder / "python"), SPARK_LOCAL_DIRS=local) as found:
        yield found
