"""The language and the script of a document."""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from pipeline.stages.base import File, MapStage
from pipeline.text.script import script
from schemas.codes import LANGUAGES, SAME_LANGUAGES, SCRIPTS
from schemas.tables import VALUES

if TYPE_CHECKING:
    import fasttext

_KNOWN = frozenset(LANGUAGES)
# What pycld2 takes for invalid: controls, and code points that are no characters.
_LAST_TWO = "".join(chr((plane << 16) - back) for plane in range(1, 18) for back in (2, 1))
_UNFIT = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef{_LAST_TWO}]")


@dataclass(frozen=True, kw_only=True)
class Language(MapStage):
    """Language by pycld2 (CLD2), or by a fastText model that `model` names.

    Where the best guess has a score under `min_score`, or is not reliable, the language is `und`.
    """

    kind: ClassVar[str] = "language"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("text",)
    libraries: ClassVar[tuple[str, ...]] = ("pycld2",)

    model: File | None = None
    min_score: float = 0.0

    def schema(self) -> pa.Schema:
        """language (ISO 639-1, else 639-3), language_score (0..1), script (ISO 15924)."""
        return pa.schema(
            [
                pa.field("language", pa.string(), metadata={VALUES: json.dumps(LANGUAGES)}),
                pa.field("language_score", pa.float32()),
                pa.field("script", pa.string(), metadata={VALUES: json.dumps(SCRIPTS)}),
            ]
        )

    def check(self) -> None:
        """The model must load."""
        if self.model is not None:
            _model(self.model)

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Guess for each text."""
        texts = batch.column("text").to_pylist()
        guesses = [self._guess(text) for text in texts]
        columns = [
            pa.array([code for code, _ in guesses], pa.string()),
            pa.array([score for _, score in guesses], pa.float32()),
            pa.array([script(text) for text in texts], pa.string()),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema())

    def _guess(self, text: str) -> tuple[str, float]:
        label, score = _fasttext(self.model, text) if self.model else _cld2(text)
        return (_code(label) if score >= self.min_score else "und"), score


def _code(label: str) -> str:
    """The code of the closed set that a model's label stands for: en, eng_Latn, zh-Hant."""
    whole = label.lower()
    base = re.split("[-_]", whole)[0]
    code = next((SAME_LANGUAGES[c] for c in (whole, base) if c in SAME_LANGUAGES), base)
    return code if code in _KNOWN else "und"


def _cld2(text: str) -> tuple[str, float]:
    import pycld2

    try:
        found = pycld2.detect(text.encode("utf-8", "replace"), bestEffort=False)
    except pycld2.error:
        found = pycld2.detect(_UNFIT.sub(" ", text).encode("utf-8", "replace"), bestEffort=False)
    reliable, _, ((_, code, percent, _), *_) = found
    return (code if reliable else "und"), percent / 100


@lru_cache(maxsize=2)
def _model(path: str) -> "fasttext.FastText._FastText":
    try:
        import fasttext
    except ImportError:
        raise ValueError(
            "model: needs the package fasttext: pip install winnow-curation[fasttext]"
        ) from None
    try:
        return fasttext.load_model(path)
    except ValueError as error:
        raise ValueError(f"model: {path} is no fastText model: {error}") from error


def _fasttext(path: str, text: str) -> tuple[str, float]:
    labels, scores = _model(path).predict(" ".join(text.split()))
    if not labels:
        return "und", 0.0
    return labels[0].removeprefix("__label__"), min(1.0, float(scores[0]))
