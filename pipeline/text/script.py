"""The script that most of a text's letters are in."""

import numpy as np

RANGES: tuple[tuple[int, int, str], ...] = (
    (0x0041, 0x00D6, "Latn"), (0x00D8, 0x00F6, "Latn"), (0x00F8, 0x024F, "Latn"),
    (0x0370, 0x03E1, "Grek"), (0x03F0, 0x03FF, "Grek"), (0x0400, 0x052F, "Cyrl"),
    (0x0531, 0x058F, "Armn"), (0x0591, 0x05F4, "Hebr"), (0x0600, 0x06FF, "Arab"),
    (0x0700, 0x074F, "Syrc"), (0x0750, 0x077F, "Arab"), (0x0780, 0x07BF, "Thaa"),
    (0x08A0, 0x08FF, "Arab"), (0x0900, 0x097F, "Deva"), (0x0980, 0x09FF, "Beng"),
    (0x0A00, 0x0A7F, "Guru"), (0x0A80, 0x0AFF, "Gujr"), (0x0B00, 0x0B7F, "Orya"),
    (0x0B80, 0x0BFF, "Taml"), (0x0C00, 0x0C7F, "Telu"), (0x0C80, 0x0CFF, "Knda"),
    (0x0D00, 0x0D7F, "Mlym"), (0x0D80, 0x0DFF, "Sinh"), (0x0E00, 0x0E7F, "Thai"),
    (0x0E80, 0x0EFF, "Laoo"), (0x0F00, 0x0FFF, "Tibt"), (0x1000, 0x109F, "Mymr"),
    (0x10A0, 0x10FF, "Geor"), (0x1100, 0x11FF, "Hang"), (0x1200, 0x139F, "Ethi"),
    (0x13A0, 0x13FF, "Cher"), (0x1400, 0x167F, "Cans"), (0x1780, 0x17FF, "Khmr"),
    (0x1800, 0x18AF, "Mong"), (0x1E00, 0x1EFF, "Latn"), (0x1F00, 0x1FFF, "Grek"),
    (0x3041, 0x309F, "Hira"), (0x30A0, 0x30FF, "Kana"), (0x3105, 0x312F, "Bopo"),
    (0x3400, 0x4DBF, "Hani"), (0x4E00, 0x9FFF, "Hani"), (0xAC00, 0xD7AF, "Hang"),
    (0xF900, 0xFAFF, "Hani"), (0xFB50, 0xFDFF, "Arab"), (0xFE70, 0xFEFC, "Arab"),
    (0x20000, 0x323AF, "Hani"),
)  # fmt: skip
"""Blocks by script (Unicode, Blocks.txt), in order, less the signs and Coptic letters in them."""

_NAMES = tuple(dict.fromkeys(name for _, _, name in RANGES))
_EDGES = np.array([edge for first, last, _ in RANGES for edge in (first, last + 1)])
_CODES = np.array([c for *_, name in RANGES for c in (_NAMES.index(name), len(_NAMES))])


def script(text: str) -> str:
    """The ISO 15924 code of the script of most letters; Zyyy where there are none.

    Marks and digits of a script's own block count with its letters, ASCII's don't. Of scripts with
    as many the first in RANGES' order.
    """
    points = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    ascii_ = points < 0x80
    letters = int(np.count_nonzero(ascii_ & (((points | 0x20) - 0x61) < 26)))
    counts = np.zeros(len(_NAMES) + 1, np.int64)
    counts[_NAMES.index("Latn")] = letters
    others = points[~ascii_ & (points >= 0xC0)]
    if len(others):
        where = np.searchsorted(_EDGES, others, side="right") - 1
        counts += np.bincount(_CODES[where], minlength=len(counts))
    best = int(np.argmax(counts[:-1]))
    return _NAMES[best] if counts[best] else "Zyyy"
