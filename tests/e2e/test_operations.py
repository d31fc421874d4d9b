"""What docs/operations.md says runs as it stands."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import CONFIGURATION, ROOT, make_corpus
from support.object_store import free_port

from jobs.cli import parser

PAGE = (ROOT / "docs/operations.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.mark.slow
def test_the_blocks_run_one_after_the_other(tmp_path: Path) -> None:
    make_corpus(tmp_path).rename(tmp_path / "corpus.yaml")
    script = "set -e -o pipefail\n" + "\n".join(BLOCKS).replace("7077", str(free_port()))
    environment = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = subprocess.Popen(
        ["bash", "-c", script],
        stdout=subprocess.PIPE,
        stderr=(tmp_path / "errors").open("w"),
        text=True,
        cwd=tmp_path,
        env={**environment, "PATH": path, "PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"},
        start_new_session=True,
    )
    try:
        told = []
        assert process.stdout
        for line in process.stdout:
            told.append(line)
            if line.startswith(("deleted", "would delete")):
                break
        assert process.wait(60) == 0
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    said = "".join(told)
    errors = (tmp_path / "errors").read_text()
    assert "mixture main: " in said, said + errors
    assert "verified, " in said, said + errors
    assert "'outcome': 'done'" in said, said + errors
    tables = [json.loads(line)["table"] for line in told if line.startswith('{"table"')]
    assert {"sources", "stages"} <= set(tables)
    steps = json.loads((tmp_path / "corpus.plan.json").read_text())
    assert [step["step"] for step in steps if step["kind"] == "mixture"] == ["main"]
    compile((tmp_path / "dags/corpora.py").read_text(), "corpora.py", "exec")
    runs = [json.loads(path.read_text()) for path in sorted((tmp_path / "work/runs").iterdir())]
    assert [run["outcome"] for run in runs] == ["done"] * 3
    stages = re.findall(r"^  - (\w+): \{\}$", CONFIGURATION, re.M)
    assert [len(run["stages"]) for run in runs] == [0, len(stages), len(stages)]


def test_the_other_blocks_have_the_form_of_shell_and_of_winnow() -> None:
    """They need YARN, Kubernetes, Slurm or GPUs: what can be looked at without is."""
    blocks = re.findall(r"^```shell\n(.*?)^```$", PAGE, re.M | re.S)
    for block in blocks:
        checked = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert (checked.returncode, checked.stderr) == (0, ""), block
        for words in re.findall(r"#SBATCH (.*)", block):
            assert all(re.fullmatch(r"--[a-z-]+=\S+|--exclusive", word) for word in words.split())
    found = re.findall(r"(?:srun|^) ?winnow ([^\n\"|]+)", "".join(blocks), re.M)
    found += re.findall(r"`winnow ((?:[a-z-]+ )+corpus\.yaml)`", PAGE)
    commands = {parser().parse_args(shlex.split(words)).command for words in found}
    assert "rate-worker" in commands


def test_every_job_file_and_link_of_the_page_is_there() -> None:
    jobs = {path.name for path in (ROOT / "jobs").glob("run_*.py")}
    assert set(re.findall(r"run_\w+\.py", PAGE)) == jobs
    for link in re.findall(r"\]\((\.\.?/?[^)#]+)\)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
    anchors = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^## (.*)$", PAGE, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) == anchors
