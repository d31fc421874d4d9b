"""Ratings of quality and domain, as a stage."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from pipeline.stages.base import File
from raters.columns import Row, rating_columns
from raters.criteria import CRITERIA, DOMAINS, SCALE
from raters.rater_stage import RaterStage
from raters.student import SHIPPED, Rating, Student, entropy, expected, load_student


@dataclass(frozen=True, kw_only=True)
class Quality(RaterStage):
    """Fourteen criteria and the domain, by the student or by another artefact that `model` names.

    A text in a language that the artefact does not declare gets a status and no rating.
    """

    kind: ClassVar[str] = "quality"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text", "language")
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    rater: Literal["student"] = "student"
    model: File = "shipped"

    def schema(self) -> pa.Schema:
        """Each criterion as an integer with its expected value, the domain, how sure both are."""
        return pa.schema(rating_columns())

    def file_of(self, value: str) -> str:
        """The artefact itself: where it lies, or that it is the shipped one, says nothing."""
        return str(SHIPPED) if value == "shipped" else value

    def check(self) -> None:
        """The artefact must load."""
        try:
            self._student()
        except ValueError as error:
            raise ValueError(f"model: {error}") from error

    def _student(self) -> Student:
        return load_student(self.file_of(self.model))

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Rate each text that is not blank and in a language of the artefact's."""
        student = self._student()
        languages = frozenset(student.languages.tolist())
        rows: list[Row] = []
        pairs = zip(*(batch.column(name).to_pylist() for name in self.reads), strict=True)
        for text, language in pairs:
            if not text.strip():
                rows.append({"status": "empty"})
            elif language not in languages:
                rows.append({"status": "unsupported_language"})
            else:
                (rating,) = student.rate([text])
                rows.append({"status": "ok", **_row(rating)})
        schema = self.schema().append(pa.field("status", pa.string()))
        return pa.RecordBatch.from_pylist(rows, schema)


def _row(rating: Rating) -> Row:
    """The columns of a rating; of scores with the same probability the lower one stands."""
    best = rating.scores.argmax(axis=1)
    means = expected(rating.scores)
    row: Row = {}
    for name, place, mean in zip(CRITERIA, best, means, strict=True):
        row |= {name: SCALE[place], f"{name}_expected": float(mean)}
    domain = int(rating.domains.argmax())
    return row | {
        "overall_score_entropy": entropy(rating.scores[-1]),
        "domain": list(DOMAINS)[domain],
        "domain_probability": float(rating.domains[domain]),
    }
