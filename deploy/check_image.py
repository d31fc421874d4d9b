"""The steps of the image without Docker: `python deploy/check_image.py [--target cpu]`.

Every RUN and COPY of the target's stages is done in a folder of its own, in which /opt, /src and
/wheels stand for those of the image; then the image's commands are tried. What can't be tried so is
the base image, the user and the entry point; hadolint looks at those where it is installed.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACES = re.compile(r"(?<![\w./-])/(opt|src|wheels|data)\b")
"""Where the image has what it builds; elsewhere the machine's own files are meant."""


@dataclass
class Stage:
    """A stage of the Dockerfile: what it starts from, takes from, and does."""

    base: str
    takes: set[str] = field(default_factory=set)
    steps: list[tuple[str, str]] = field(default_factory=list)


def read_stages(text: str) -> dict[str, Stage]:
    """The stages by name, in order; continued lines are one."""
    stages: dict[str, Stage] = {}
    stage = Stage("")
    text = re.sub(r"^#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stage = stages[name] = Stage(base)
            continue
        stage.takes.update(re.findall(r"from=([\w-]+)", rest))
        stage.steps.append((word, rest))
    return stages


def needed(stages: dict[str, Stage], target: str) -> list[str]:
    """The target, and every stage that it starts from or takes from, in order."""
    wanted, pending = set(), [target]
    while pending:
        name = pending.pop()
        if name in stages and name not in wanted:
            wanted.add(name)
            pending += [stages[name].base, *stages[name].takes]
    return [name for name in stages if name in wanted]


class Rehearsal:
    """A folder in which the image is made."""

    def __init__(self, folder: Path, index: str | None) -> None:
        self._folder = folder
        # The Python of the base image, which has no packages.
        subprocess.run([sys.executable, "-m", "venv", str(folder / "python")], check=True)
        self._environment = {
            **{name: value for name, value in os.environ.items() if name != "JAVA_HOME"},
            "PATH": f"{folder}/python/bin:{os.environ['PATH']}",
        }
        self._index = index

    def inside(self, text: str) -> str:
        """A text in which the image's places are those of the folder."""
        return PLACES.sub(lambda found: f"{self._folder}/{found[1]}", text)

    def do(self, word: str, rest: str) -> None:
        """Do one step."""
        if word == "ARG":
            name, _, value = rest.partition("=")
            self._environment[name] = self._index if self._index is not None else value
        elif word == "ENV":
            for name, value in re.findall(r"(\w+)=(\S+)", rest):
                path = self._environment["PATH"]
                self._environment[name] = self.inside(value).replace("$PATH", path)
        elif word == "WORKDIR":
            self._here = Path(self.inside(rest))
            self._here.mkdir(exist_ok=True)
        elif word == "COPY" and not rest.startswith("--from"):
            *names, to = rest.split()
            for name in names:
                self._copy(ROOT / name, self._here / to)
        elif word == "RUN" and not rest.startswith("useradd"):
            command = self.inside(re.sub(r"--mount=\S+", "", rest))
            print(f"  {' '.join(command.split())}", flush=True)
            self.run(command)

    def _copy(self, source: Path, to: Path) -> None:
        if source.is_dir():
            shutil.copytree(
                source, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to)

    def run(self, command: str) -> None:
        """Run a command as the image's shell would."""
        subprocess.run(
            ["/bin/sh", "-ec", command], check=True, cwd=self._here, env=self._environment
        )


CHECKS = (
    "winnow --help >/dev/null",
    'test "$(command -v winnow)" = /opt/winnow/bin/winnow',
    "cd / && python -c 'import pipeline; assert pipeline.__path__[0].startswith(\"/opt/\")'",
    '"$JAVA_HOME"/bin/java -version 2>&1 | grep -q -i openjdk',
    '"$SPARK_HOME"/bin/spark-submit --version 2>&1 | grep -q version',
    "winnow init corpus >/dev/null && test -s corpus/corpus.yaml",
)
"""What holds in the image."""


def main() -> int:
    """Rehearse the image; 0 where everything holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--target", default="cpu", choices=("cpu", "gpu"))
    parser.add_argument("--torch-index", help="in place of the Dockerfile's")
    arguments = parser.parse_args()
    if hadolint := shutil.which("hadolint"):
        subprocess.run([hadolint, str(ROOT / "Dockerfile")], check=True)
    else:
        print("hadolint is not installed")
    stages = read_stages((ROOT / "Dockerfile").read_text())
    with tempfile.TemporaryDirectory() as name:
        rehearsal = Rehearsal(Path(name), arguments.torch_index)
        for stage in needed(stages, arguments.target):
            print(f"stage {stage}", flush=True)
            for word, rest in stages[stage].steps:
                rehearsal.do(word, rest)
        for check in CHECKS:
            print(f"check {check}", flush=True)
            rehearsal.run(rehearsal.inside(check))
    print("the image's steps work")
    return 0


if __name__ == "__main__":
    sys.exit(main())
