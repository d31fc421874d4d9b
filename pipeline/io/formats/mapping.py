"""From a record's keys to a document's columns."""

import base64
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime

import orjson

from pipeline.io.records import Document, ReadOptions, Reject

_MISSING = object()
_GIVEN = ("text", "url", "source_id")


def to_document(
    record: Mapping[str, object], position: str, offset: int, options: ReadOptions
) -> Document | Reject:
    """The document that a record holds, or why it holds none.

    A value that does not fit its column's type stays in the metadata; the column is null.
    """
    keys = {"text": "text", "url": "url", "source_id": "id", **options.columns}
    source_id = _string(_find(record, keys["source_id"]))
    text = _find(record, keys["text"])
    used = {keys["text"]}
    if (reject := _refused(text, keys["text"], offset, source_id, options)) is not None:
        return reject
    url = _find(record, keys["url"])
    for name in ("url", "source_id"):
        if _string(_find(record, keys[name])) is not None:
            used.add(keys[name])
    values: dict[str, object] = {}
    for name, key in keys.items():
        if name in _GIVEN:
            continue
        value = _find(record, key)
        values[name] = None if value is _MISSING else typed(value, options.types[name])
        if values[name] is not None or value is None:
            used.add(key)
    rest = {key: value for key, value in record.items() if key not in used}
    try:
        metadata = _metadata(rest)
    except orjson.JSONEncodeError as error:
        return Reject(offset, source_id, _why(error), f"metadata: {error}"[:200])
    if any(isinstance(v, str) and not _valid(v) for v in (source_id, url, *values.values())):
        return Reject(offset, None, "invalid_unicode", "a mapped column is no Unicode text")
    assert isinstance(text, str)
    return Document(position, offset, text, _string(url), source_id, values, metadata)


def check_text(
    text: str, offset: int, source_id: str | None, options: ReadOptions
) -> Reject | None:
    """Why a text is not taken, or None."""
    if not text.strip():
        return Reject(offset, source_id, "empty", None)
    if not _valid(text):
        return Reject(offset, source_id, "invalid_unicode", "the text has lone surrogates")
    if len(text) > options.max_document_bytes or (
        len(text) * 4 > options.max_document_bytes
        and len(text.encode()) > options.max_document_bytes
    ):
        return Reject(offset, source_id, "too_large", f"over {options.max_document_bytes} bytes")
    return None


def _refused(
    text: object, key: str, offset: int, source_id: str | None, options: ReadOptions
) -> Reject | None:
    if text is _MISSING or text is None:
        return Reject(offset, source_id, "missing_text", f"no key {key}")
    if isinstance(text, bytes):
        return Reject(offset, source_id, "invalid_utf8", None)
    if not isinstance(text, str):
        return Reject(offset, source_id, "text_not_string", type(text).__name__)
    return check_text(text, offset, source_id, options)


def _find(record: Mapping[str, object], key: str) -> object:
    if key in record:
        return record[key]
    current: object = record
    for step in key.split("."):
        if not isinstance(current, Mapping) or step not in current:
            return _MISSING
        current = current[step]
    return current


def _string(value: object) -> str | None:
    if isinstance(value, str):
        return value if _valid(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def _valid(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _metadata(rest: Mapping[str, object]) -> str | None:
    """JSON with sorted keys; bytes that are no UTF-8 as base64, NaN and the infinities as null."""
    if not rest:
        return None
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(rest, default=_plain, option=options).decode()


def _why(error: orjson.JSONEncodeError) -> str:
    told = str(error).lower()
    if "surrogate" in told:
        return "invalid_unicode"
    return "too_nested" if "recursion" in told else "invalid_value"


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def typed(value: object, kind: str) -> object:
    """The value as the column's type, or None where it does not fit."""
    match kind:
        case "string":
            return value if isinstance(value, str) else None
        case "bool":
            return value if isinstance(value, bool) else None
        case "int":
            if isinstance(value, int) and not isinstance(value, bool):
                return value if -(2**63) <= value < 2**63 else None
            return None
        case "float":
            return _finite(value)
        case "ranges":
            return _ranges(value)
        case _:
            return _timestamp(value)


def _ranges(value: object) -> object:
    """Lists of {start, end} and perhaps kind, or of pairs."""
    if not isinstance(value, list):
        return None
    found = []
    for item in value:
        given = item
        if isinstance(item, list) and len(item) == 2:
            given = {"start": item[0], "end": item[1]}
        if not isinstance(given, Mapping):
            return None
        start, end = (typed(given.get(name), "int") for name in ("start", "end"))
        kind = given.get("kind")
        if start is None or end is None or not (kind is None or _string(kind) == kind):
            return None
        found.append({"start": start, "end": end, "kind": kind})
    return found


def _finite(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _timestamp(value: object) -> datetime | None:
    try:
        if isinstance(value, datetime):
            moment = value
        elif isinstance(value, date):
            moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
        else:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
