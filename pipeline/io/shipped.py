"""What comes with the packages, wherever they were imported from: data files, and which build."""

import hashlib
import importlib.metadata
import importlib.resources
import os
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path

PACKAGES = ("jobs", "pipeline", "raters", "schemas")
DISTRIBUTION = "winnow-curation"


def shipped(package: str, name: str) -> Path:
    """The path of a file or folder in a package's `data`.

    Where the package was imported from an archive, as Spark's --py-files are, it is unpacked first.
    """
    found = importlib.resources.files(package) / "data" / name
    return found if isinstance(found, Path) else _unpacked(found)


def _unpacked(found: Traversable) -> Path:
    from pipeline.text.kernels import cache_folder

    contents = {name: file.read_bytes() for name, file in _files(found, found.name)}
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    folder = cache_folder() / digest.hexdigest()[:16]
    for name, content in contents.items():
        path = folder / name
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(aside, path)
    return folder / found.name


def _files(found: Traversable, name: str) -> Iterator[tuple[str, Traversable]]:
    if found.is_file():
        yield name, found
        return
    for item in found.iterdir():
        yield from _files(item, f"{name}/{item.name}")


@lru_cache(1)
def build() -> str:
    """The version, and a digest of the sources: equal where the same code is installed."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        files = _files(importlib.resources.files(package), package)
        for name, file in sorted(files, key=lambda item: item[0]):
            if name.endswith(".py"):
                digest.update(f"{name}\0".encode() + file.read_bytes())
    try:
        version = importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        version = "uninstalled"
    return f"{version} ({digest.hexdigest()[:12]})"
