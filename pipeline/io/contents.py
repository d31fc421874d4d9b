"""Digests of input files, by which one that was only touched is told from one that has changed."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.io.inputs import InputFile, Unit
from pipeline.io.store import is_url

CHUNK = 1 << 20

Key = tuple[str, str]
"""Source and path of an input."""

Content = tuple[str, str, str]
"""Source, path and digest: what a file was when it had a stamp."""


def raw_digest(unit: Unit) -> str | None:
    """The SHA-256 of a unit's share of its file; None for a URL, whose etag tells of changes.

    The shares of a file's units are runs of bytes that have nothing to do with records.
    """
    if is_url(unit.file.location):
        return None
    return _hashed(unit.file, *unit.share)


def _hashed(file: InputFile, number: int, count: int) -> str:
    start, end = file.size * number // count, file.size * (number + 1) // count
    digest = hashlib.sha256()
    with open(file.location, "rb") as stream:
        stream.seek(start)
        while start < end and (chunk := stream.read(min(CHUNK, end - start))):
            digest.update(chunk)
            start += len(chunk)
    return digest.hexdigest()


def whole_digest(shares: Sequence[str]) -> str:
    """The digest of a file by those of its shares in order; of one alone it is its SHA-256."""
    if len(shares) == 1:
        return shares[0]
    return hashlib.sha256("".join(shares).encode()).hexdigest()


def touched_stamps(
    records: Iterable[Mapping[str, Any]], inputs: Mapping[str, Sequence[InputFile]]
) -> dict[Content, str]:
    """The new stamps of files that have others than the generations say, but the same content."""
    current = {(file.source, file.path): file for files in inputs.values() for file in files}
    found: dict[Content, str] = {}
    for record in records:
        for item in record["inputs"]:
            key = (item["source"], item["path"])
            file, told = current.get(key), item.get("content")
            if file is None or told is None or is_url(file.location):
                continue
            if file.stamp == item["stamp"] or file.size != item["size"]:
                continue
            count = told["shares"]
            shares = [_hashed(file, number, count) for number in range(count)]
            if whole_digest(shares) == told["sha256"]:
                found[*key, told["sha256"]] = file.stamp
    return found


def _content(item: Mapping[str, Any]) -> Content:
    return item["source"], item["path"], item.get("content", {}).get("sha256", "")


def with_stamps(
    records: Iterable[Mapping[str, Any]], stamps: Mapping[Content, str]
) -> list[dict[str, Any]]:
    """The generations' records with the stamps that their files have now."""
    return [
        {
            **record,
            "inputs": [
                {**item, "stamp": stamps.get(_content(item), item["stamp"])}
                for item in record["inputs"]
            ],
        }
        for record in records
    ]
