"""Where compiled code is kept, and that processes that compile at once don't disturb each other."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support import ROOT

CODE = """
import numpy as np
from pipeline.text.hashing import mix
from pipeline.text.kernels import cache_folder, warm

warm("test", lambda: mix(np.uint64(1)))
print(cache_folder(), sum(mix.stats.cache_misses.values()))
"""


def start(root: Path = ROOT, **environment: Path) -> "subprocess.Popen[str]":
    kept = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    return subprocess.Popen(
        [sys.executable, "-c", CODE],
        env={**kept, "PYTHONPATH": str(root), **{k: str(v) for k, v in environment.items()}},
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
    )


def finish(process: "subprocess.Popen[str]") -> tuple[Path, int]:
    """The folder that was taken, and how many times the kernel was compiled."""
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    folder, compiled = told.split()
    return Path(folder), int(compiled)


def test_of_processes_that_start_at_once_one_compiles(tmp_path: Path) -> None:
    processes = [start(NUMBA_CACHE_DIR=tmp_path) for _ in range(3)]
    found = [finish(process) for process in processes]
    assert {folder.parent for folder, _ in found} == {tmp_path}
    assert sorted(compiled for _, compiled in found) == [0, 0, 1]


def test_the_same_source_elsewhere_is_compiled_no_more(tmp_path: Path) -> None:
    cache, copy = tmp_path / "cache", tmp_path / "environment"
    shutil.copytree(ROOT / "pipeline", copy / "pipeline")
    assert finish(start(NUMBA_CACHE_DIR=cache))[1] == 1
    assert finish(start(copy, NUMBA_CACHE_DIR=cache))[1] == 0
    with (copy / "pipeline/text/hashing.py").open("a") as source:
        source.write("\n# Not as it was.\n")
    assert finish(start(copy, NUMBA_CACHE_DIR=cache))[1] == 1


def test_without_a_home_to_write_in_the_temporary_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    nowhere, temporary = tmp_path / "file" / "home", tmp_path / "tmp"
    temporary.mkdir()
    folder, _ = finish(start(NUMBA_CACHE_DIR=nowhere, HOME=nowhere, TMPDIR=temporary))
    assert folder.parent == temporary / f"winnow-{os.getuid()}"
    # Where others could have put code into it, nothing is loaded from it.
    folder.chmod(0o777)
    other, compiled = finish(start(NUMBA_CACHE_DIR=nowhere, HOME=nowhere, TMPDIR=temporary))
    assert other.parent == temporary
    assert other != folder
    assert compiled == 1


def test_a_home_that_is_not_known_is_not_made_up(tmp_path: Path) -> None:
    folder, _ = finish(start(HOME=Path("~"), TMPDIR=tmp_path))
    assert folder.parent == tmp_path / f"winnow-{os.getuid()}"


def test_a_file_system_without_hard_links_does(tmp_path: Path) -> None:
    refuse = "import os\n\ndef link(*_): raise PermissionError(1, 'none')\n\nos.link = link\n"
    (tmp_path / "sitecustomize.py").write_text(refuse)
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", CODE]
    subprocess.run(command, env={**os.environ, **environment}, check=True, cwd="/")
    assert not [*tmp_path.glob("winnow-kernels-*/sources/*/tmp*")]
    assert [*tmp_path.glob("winnow-kernels-*/sources/pipeline.text/hashing.py")]
