"""Bytes to text: the declared charset, a byte order mark, a meta element, then sniffing."""

import codecs
import re

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
# As browsers read them (WHATWG Encoding, section 4.2).
_ALIASES = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252"}
_ALIASES |= {"ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932"}
_ALIASES |= {"x-sjis": "cp932", "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "tis-620": "cp874"}


def declared(content_type: str | None) -> str | None:
    """The charset that a Content-Type header names."""
    found = _HEADER.search(content_type or "")
    return found.group(1) if found else None


def decode(content: bytes, content_type: str | None) -> tuple[str, str]:
    """Text and the charset that it was read by; bytes that don't fit become U+FFFD."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return content.decode(name, "replace"), name
    meta = _META.search(content[:4096])
    names = [declared(content_type), meta.group(1).decode("ascii") if meta else None]
    for name in filter(None, names):
        known = _known(name)
        if known is not None and (text := _strict(content, known)) is not None:
            return text, known
    for known in ("utf-8", *filter(None, map(_known, filter(None, names))), "cp1252"):
        if (text := _strict(content, known)) is not None:
            return text, known
    name = next(filter(None, map(_known, filter(None, names))), "utf-8")
    return content.decode(name, "replace"), name


def _known(name: str) -> str | None:
    name = _ALIASES.get(name.lower(), name)
    try:
        info = codecs.lookup(name)
        return info.name if isinstance(b"".decode(info.name), str) else None
    except (LookupError, ValueError, UnicodeError):
        return None


def _strict(content: bytes, name: str) -> str | None:
    try:
        text = content.decode(name)
    except (UnicodeError, LookupError, ValueError):
        return None
    return text if isinstance(text, str) else None
