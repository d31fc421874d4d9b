"""Words by the `regex` package: what the kernels are compared with."""

import regex

# WORD turns \b into UAX 29's default word boundary.
_BOUNDARY = regex.compile(r"\b", regex.WORD | regex.V1)
_WORD = regex.compile(r"[\p{L}\p{N}]")
# The marks that prolong or voice a kana have no script of their own, and no \p{M} in half width.
_ALONE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\u30fc\uff70"
_SINGLE = regex.compile(f"[{_ALONE}]")
_SINGLES = regex.compile(rf"[{_ALONE}][\p{{M}}\uff9e\uff9f]*|[^{_ALONE}]+")
# ASCII text needs no tables: letters, digits and _, joined by the marks of MidLetter and MidNum.
_ASCII = regex.compile(
    r"[A-Za-z0-9_]+(?:(?<=[A-Za-z])[.':](?=[A-Za-z])[A-Za-z0-9_]+|(?<=[0-9])[.,;'](?=[0-9])[A-Za-z0-9_]+)*"
)


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    if text.isascii():
        return [word for word in _ASCII.findall(text) if word.strip("_")]
    found = []
    for segment in _BOUNDARY.split(text):
        if segment.isascii():
            if any(map(str.isalnum, segment)):
                found.append(segment)
        elif _SINGLE.search(segment):
            found += [piece for piece in _SINGLES.findall(segment) if _WORD.search(piece)]
        elif _WORD.search(segment):
            found.append(segment)
    return found
