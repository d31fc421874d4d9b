"""The documentation's examples run as they stand."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from support import ROOT, winnow

BLOCK = re.compile(r"^```\w+\n# file: (\S+)\n(.*?)^```$", re.M | re.S)


def installed(page: Path, folder: Path) -> Path:
    """The files of a page in a folder, and the metadata that an installation would add."""
    for name, content in BLOCK.findall(page.read_text()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    package = project["name"].replace("-", "_")
    (folder / package / "__init__.py").touch()
    metadata = folder / f"{package}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (metadata / "top_level.txt").write_text(package)
    (metadata / "entry_points.txt").write_text(
        "\n".join(
            f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in points.items())
            for group, points in project["entry-points"].items()
        )
    )
    return folder


@pytest.fixture
def example(tmp_path: Path) -> Path:
    folder = installed(ROOT / "docs/extending.md", tmp_path)
    rows = ["id,body", *(f'{n},"Number {n} asks. {"Does it?" * (n % 3)}"' for n in range(60))]
    (folder / "answers.csv").write_text("\n".join([*rows, "61,too,many"]) + "\n")
    return folder


def test_each_example_is_short() -> None:
    for name, content in BLOCK.findall((ROOT / "docs/extending.md").read_text()):
        assert len(content.splitlines()) < 30, name


def test_the_examples_run(example: Path) -> None:
    configuration = str(example / "winnow.yaml")
    path = f"{ROOT}:{example}"
    done = winnow("run", configuration, "--set", "max_rejects=0.1", PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    check = winnow("verify", str(example / "work/mixtures/asking"), PYTHONPATH=path)
    assert check.returncode == 0, check.stdout
    manifest = json.loads((example / "work/mixtures/asking/manifest.json").read_text())
    funnel = {step["step"]: step["documents"] for step in manifest["funnel"]}
    assert (funnel["records"], funnel["documents"]) == (61, 60)
    assert funnel["question_ratio > 0"] == 40
    assert 0 < manifest["totals"]["tokens"] <= 100
    renamed = (example / "winnow_example-1.0.dist-info/METADATA").read_text()
    (example / "winnow_example-1.0.dist-info/METADATA").write_text(renamed.replace("1.0", "1.1"))
    again = winnow("run", configuration, "--dry-run", "--json", PYTHONPATH=path)
    stages = {item["step"]: item for item in json.loads(again.stdout)}
    assert stages["questions"]["documents"] == 60
    assert stages["tokens"]["documents"] == 0


def test_a_misspelt_parameter_of_an_example_is_refused(example: Path) -> None:
    configuration = example / "winnow.yaml"
    configuration.write_text(configuration.read_text().replace("marks:", "mark:"))
    done = winnow("run", str(configuration), PYTHONPATH=f"{ROOT}:{example}")
    assert done.returncode == 2
    assert "winnow.yaml:7" in done.stderr
    assert "did you mean 'marks'?" in done.stderr
    assert not (example / "work").exists()
