"""Bytes to text: a byte order mark, UTF-8 where it fits, the declared charset, then sniffing."""

import codecs
import re
from collections.abc import Iterator

import numpy as np

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_META = re.compile(
    rb"""<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.I
)
_HEADER = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]+)""", re.I)
_TAGS = re.compile(rb"<[^<>]*>")
# What pages that are said to be in the first are in: the superset that browsers read them by.
_SUPERSETS = {
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "iso8859-11": "cp874",
    "iso8859-13": "cp1257",
    "koi8-r": "koi8-u",
    "iso8859-16": "cp1250",
}
_FURTHER = {"cp949": "cp949", "uhc": "cp949", "hz-gb-2312": "hz", "iso-2022-kr": "iso2022_kr"}
_NOT_LATIN = frozenset(
    (
        *("cp1251", "koi8-u", "iso8859-5", "cp866", "cp1253", "iso8859-7", "cp1255", "iso8859-8"),
        *("cp1256", "iso8859-6", "cp874", "gb18030", "big5hkscs", "cp932", "euc_jp", "cp949"),
    )
)
_LATIN = frozenset(("cp1250", "iso8859-2", "cp1254", "cp1257", "cp1258", "iso8859-15"))
_DEFAULT = "cp1252"
_SAMPLE = 1 << 16
_ESCAPES = (b"\x1b$", b"\x1b(")


def declared(content_type: str | None) -> str | None:
    """The charset that a Content-Type header names."""
    found = _HEADER.search(content_type or "")
    return found.group(1) if found else None


def decode(content: bytes, content_type: str | None) -> tuple[str, str]:
    """Text and the charset that it was read by; bytes that don't fit become U+FFFD.

    What is valid UTF-8, but for a few bytes, is UTF-8 whatever is declared. A declaration of
    Latin-1, which servers make of all that they don't know, gives way to another script's charset
    where that is what the bytes look like.
    """
    for mark, name in _MARKS:
        if content.startswith(mark):
            return content.decode(name, "replace"), name
    wide = _utf16(content)
    if wide is not None:
        return content.decode(wide), wide
    meta = _META.search(content[:4096])
    told = (declared(content_type), meta.group(1).decode("ascii") if meta else None)
    names = [name for name in map(_known, filter(None, told)) if name]
    if content.isascii():
        return _decode_ascii(content, names)
    if _fits(content, "utf-8"):
        return content.decode("utf-8"), "utf-8"
    best: tuple[int, str, str] | None = None
    for name in _candidates(content, names):
        text = content.decode(name, "replace")
        lost = text.count("\ufffd")
        beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
        # Hardly anything but UTF-8 is UTF-8 in more places than not.
        if lost <= beyond_ascii // (2 if name == "utf-8" else 10):
            return text, name
        if best is None or lost < best[0]:
            best = (lost, text, name)
    assert best
    return best[1], best[2]


def _decode_ascii(content: bytes, names: list[str]) -> tuple[str, str]:
    """7 bits: ASCII, unless it shifts to other sets by escapes that were declared or are there."""
    if any(escape in content for escape in _ESCAPES) or "hz" in names:
        for name in (*names, "iso2022_jp", "iso2022_kr"):
            text = content.decode(name, "replace")
            if "\ufffd" not in text and not text.isascii():
                return text, name
    return content.decode("ascii"), next((n for n in names if not n.startswith("utf-16")), "utf-8")


def _candidates(content: bytes, names: list[str]) -> Iterator[str]:
    """Charsets to try, the likeliest first."""
    yield "utf-8"
    yield from (n for n in names if n != _DEFAULT and not n.startswith("utf-"))
    sniffed = sniff(content)
    if sniffed and (sniffed in _NOT_LATIN or _DEFAULT not in names):
        yield sniffed
    yield _DEFAULT


def sniff(content: bytes) -> str | None:
    """The legacy charset that the bytes look like (uchardet's guess), or None."""
    from resiliparse.parse.encoding import detect_encoding

    lines = (line for line in _TAGS.sub(b" ", content).split(b"\n") if not line.isascii())
    sample = b"\n".join(lines)[:_SAMPLE]
    found = _known(detect_encoding(sample, max_len=0, html5_compatible=False) or "")
    # What else it knows was never in use on the web, and is a mistake for a Western charset.
    return found if found in _NOT_LATIN | _LATIN else None


def _utf16(content: bytes) -> str | None:
    """UTF-16 without a byte order mark: its ASCII characters have NUL for every other byte."""
    if len(content) % 2 or b"\0" not in content:
        return None
    even, odd = content[::2].count(0), content[1::2].count(0)
    if even and odd:
        return None
    units = np.frombuffer(content, ">u2" if even else "<u2")
    # Most scripts have a control character's number for the first byte; in those of East Asia it
    # is only the spaces and line ends that tell: where the low byte is theirs, the high one is 0.
    controls = len(content) - len(content.translate(None, bytes(range(32))))
    low = units & 0xFF
    blank = int(np.count_nonzero((low == 0x20) | (low == 0x0A)))
    paired = int(np.count_nonzero((units == 0x20) | (units == 0x0A)))
    if 5 * controls < len(content) and (paired < 2 or 2 * paired < blank):
        return None
    name = "utf-16-be" if even else "utf-16-le"
    return name if _fits(content, name) else None


def _fits(content: bytes, name: str) -> bool:
    try:
        content.decode(name)
    except UnicodeError:
        return False
    return True


def _known(name: str) -> str | None:
    """The codec for a label, as browsers read them (WHATWG Encoding, section 4.2)."""
    from resiliparse.parse.encoding import map_encoding_to_html5

    name = name.lower()
    found = map_encoding_to_html5(name, fallback_utf8=False) or _FURTHER.get(name)
    return _SUPERSETS.get(found, found) if found else None
