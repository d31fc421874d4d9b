"""A process that is killed takes its children with it, and one that is not leaves them alone."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

PARENT = """
import multiprocessing, sys, time
from raters.engines.keeper import Keeper

if __name__ == "__main__":
    keeper = Keeper()
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
    child.start()
    while child not in keeper._known:
        time.sleep(0.01)
    if sys.argv[1] == "closed":
        keeper.close()
    print(child.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux has handles of processes")
@pytest.mark.parametrize("keeper", ["open", "closed"])
def test_children_end_with_a_parent_that_is_killed(tmp_path: Path, keeper: str) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(script), keeper],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout
    child = os.pidfd_open(int(parent.stdout.readline()))
    try:
        parent.kill()
        parent.wait()
        wait = 30 if keeper == "open" else 0
        ended = bool(select.select([child], [], [], wait)[0])
        assert ended is (keeper == "open")
    finally:
        if not select.select([child], [], [], 0)[0]:
            signal.pidfd_send_signal(child, signal.SIGKILL)
        os.close(child)
        parent.stdout.close()
