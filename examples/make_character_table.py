"""Writes pipeline/text/character_table.py from the `regex` package's Unicode data; run once."""

import base64
import zlib
from pathlib import Path

import numpy as np
import regex

OUT = Path(__file__).parents[1] / "pipeline" / "text" / "character_table.py"
UNICODE_VERSION = "17.0.0"
"""What regex 2026.11.19 has."""

CLASSES = (
    *("Other", "ALetter", "Hebrew_Letter", "Numeric", "Katakana", "ExtendNumLet", "WSegSpace"),
    *("Regional_Indicator", "MidLetter", "MidNum", "MidNumLet", "Single_Quote", "Double_Quote"),
    *("Extend", "Format", "ZWJ", "CR", "LF", "Newline"),
)
"""Values of Word_Break: their number stands in the lowest five bits."""
FLAGS = (
    r"[\p{L}\p{N}]",
    r"\p{L}",
    r"\p{Nd}",
    r"\s",
    # Marks that prolong or voice a kana have no script of their own, and no \p{M} in half width.
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\u30fc\uff70]",
    r"[\p{M}\uff9e\uff9f]",
    r"\p{Extended_Pictographic}",
)
"""A bit each from the sixth on: WORD, LETTER, DIGIT, SPACE, ALONE, MARK, PICTURE."""

TEMPLATE = '''\
"""Properties of the characters of Unicode {version}; made by examples/make_character_table.py.

Runs of characters with the same properties: where each begins (the distance from the one before)
and its properties, as 32-bit and 16-bit integers, little endian, deflated, in base 85.
"""

UNICODE_VERSION = "{version}"
RUNS = {runs}
PACKED = (
{lines}
)
'''


def properties() -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
    """Every code point's properties."""
    everything = "".join(map(chr, range(0xD800))) + "\ufffd" * 0x800
    everything += "".join(map(chr, range(0xE000, 0x110000)))
    found = np.zeros(0x110000, np.uint16)
    patterns = [(rf"\p{{Word_Break={name}}}", n) for n, name in enumerate(CLASSES)]
    for pattern, value in [*patterns, *((p, 32 << n) for n, p in enumerate(FLAGS))]:
        for run in regex.finditer(f"(?:{pattern})+", everything, regex.V1):
            found[slice(*run.span())] |= value
    # What `str.isspace` takes for white space beside Unicode's own.
    found[0x1C:0x20] |= 32 << 3
    found[0xD800:0xE000] = 0
    return found


def main() -> None:
    """Write the module."""
    found = properties()
    starts = np.flatnonzero(np.diff(found, prepend=np.uint16(0xFFFF)))
    runs = np.diff(starts, prepend=0).astype("<u4").tobytes()
    runs += found[starts].astype("<u2").tobytes()
    text = base64.b85encode(zlib.compress(runs, 9)).decode()
    lines = "\n".join(f'    "{text[at : at + 90]}"' for at in range(0, len(text), 90))
    OUT.write_text(TEMPLATE.format(version=UNICODE_VERSION, runs=len(starts), lines=lines))


if __name__ == "__main__":
    main()
