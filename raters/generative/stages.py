"""Ratings by a generative language model, as stages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.stages.base import File
from raters.base import Completion, Engine, Refused, Request
from raters.columns import Row, model_columns, rating_columns
from raters.criteria import CRITERIA
from raters.generative.asking import Asker, open_asker
from raters.generative.chat import Frame, chat_frame
from raters.generative.excerpts import BUDGETS, Excerpt, LongDocuments
from raters.generative.labels import Lang
from raters.generative.modes import Mode, decided
from raters.generative.presets import (
    PRESET_LANGS,
    QWEN2_FRAME,
    Preset,
    Wording,
    preset_wording,
)
from raters.generative.ratings import LOW_MASS, Rated, rate
from raters.generative.replies import DOMAIN, ReplyForm, as_json, compact
from raters.generative.tokenizing import MarkerError
from raters.generative.wording import own_wording, prompted_wording
from raters.model_stage import ModelStage


@dataclass(frozen=True, kw_only=True)
class Generative(ModelStage):
    """What all raters share that ask a model for a reply of a fixed form."""

    kind: ClassVar[str] = "quality"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text", "language")
    seconds: ClassVar[float] = 3600
    tokens_column: ClassVar[str] = "quality_rated_tokens"

    model: File = field()
    long_documents: LongDocuments = "truncate"
    max_tokens: int | None = None
    languages: tuple[str, ...] | None = None

    def least_seconds(self) -> float:
        """Time for the windows of a document, each of which is prompted for."""
        return max(600.0, super().least_seconds())

    def form(self) -> ReplyForm:
        """What is decided, and how it is written."""
        raise NotImplementedError

    def wording(self) -> Wording:
        """What the model is asked."""
        raise NotImplementedError

    def worded_in(self) -> Lang:
        """The language of the request, and of the texts that are rated unless others are named."""
        return "en"

    def frame(self) -> Frame:
        """What stands around every document."""
        return chat_frame(Path(self.directory), self.wording())

    def schema(self) -> pa.Schema:
        """The columns of ratings, and what is known of how they came about."""
        return pa.schema([*rating_columns(), *model_columns()])

    def check(self) -> None:
        """The packages must be there, and the model one that can be asked."""
        if self.max_tokens is not None and self.max_tokens < 2:
            raise ValueError("max_tokens: should be 2 or more")
        if self.languages is not None and not self.languages:
            raise ValueError("languages: names none")
        super().check()
        self.facts()
        self.asker()

    def asker(self) -> Asker:
        """What makes requests of texts, made once a process."""
        return _open_asker(self)

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Rate each text that is not blank and in a language that was declared."""
        texts, languages = (batch.column(name).to_pylist() for name in self.reads)
        rows: list[Row] = [
            {"status": self.status_before(text, language)}
            for text, language in zip(texts, languages, strict=True)
        ]
        places = [place for place, row in enumerate(rows) if row["status"] == "ok"]
        for place, rated in zip(places, self.rate_texts([texts[p] for p in places]), strict=True):
            rows[place] = rated.row
        schema = self.schema().append(pa.field("status", pa.string()))
        return pa.RecordBatch.from_pylist(rows, schema)

    def status_before(self, text: str, language: str | None) -> str:
        """The status of a text that is not to be rated; `ok` for one that is."""
        if not text.strip():
            return "empty"
        known = self.languages or (self.worded_in(),)
        return "ok" if language in known else "unsupported_language"

    def rate_texts(self, texts: Sequence[str]) -> list[Rated]:
        """The rating of each text, whatever its language."""
        asker = self.asker()
        taken = [_take(asker, text) for text in texts]
        asked = [asker.requests(each) if isinstance(each, Excerpt) else [] for each in taken]
        requests = list(chain.from_iterable(asked))
        done = iter(run_twice(self.open_engine(), requests) if requests else [])
        form = self.form()
        return [
            rate(form, each, list(islice(done, len(windows))))
            if isinstance(each, Excerpt)
            else each
            for each, windows in zip(taken, asked, strict=True)
        ]

    def remarks(self, columns: pa.RecordBatch) -> Mapping[str, int]:
        """How many ratings were forced on an unwilling model."""
        low = pc.sum(pc.less(columns.column("quality_grammar_mass"), LOW_MASS)).as_py()
        return {f"with a grammar mass under {LOW_MASS}": low} if low else {}


@dataclass(frozen=True, kw_only=True)
class DataMan(Generative):
    """DataMan's requests (arXiv 2502.19363): a line for each decision, after a short question.

    `preset` words them as a released checkpoint was trained on, with the instruction line that
    `template_file` holds; without a preset the wording is Winnow's own.
    """

    rater: Literal["dataman"] = "dataman"
    mode: Mode = "all_rating"
    preset: Preset | None = None
    lang: Lang | None = None
    template_file: File | None = None

    def form(self) -> ReplyForm:
        """A line for each decision of the mode."""
        return compact(decided(self.mode))

    def worded_in(self) -> Lang:
        """The preset's language, else `lang`, else English."""
        return PRESET_LANGS[self.preset] if self.preset else self.lang or "en"

    def wording(self) -> Wording:
        """The preset's request, or Winnow's own."""
        if self.preset is None:
            return own_wording(self.worded_in(), self.mode)
        return preset_wording(self.worded_in(), self.mode, self._instruction())

    def frame(self) -> Frame:
        """A preset's must be Qwen2's, byte for byte."""
        frame = super().frame()
        if self.preset is not None:
            wording = self.wording()
            request = f"{wording.before}\0{wording.after}"
            wanted = QWEN2_FRAME.format(system=wording.system, request=request)
            if f"{frame.before}\0{frame.after}" != wanted:
                raise ValueError(
                    f"model: {self.model} has another chat template than the checkpoints that "
                    f"the preset {self.preset} is for"
                )
        return frame

    def check(self) -> None:
        """A preset needs its instruction, and leaves nothing else open."""
        if self.preset is None and self.template_file is not None:
            raise ValueError("template_file: is for a preset; without one the wording is Winnow's")
        if self.preset is not None:
            if self.max_tokens is not None:
                raise ValueError("max_tokens: a preset has its own")
            if self.lang not in (None, self.worded_in()):
                raise ValueError(f"lang: the preset {self.preset} is worded in {self.worded_in()}")
            self._instruction()
        super().check()

    def _instruction(self) -> str:
        """The first line of a preset's request."""
        if self.template_file is None:
            raise ValueError(
                f"template_file: the preset {self.preset} needs a file with the instruction that "
                "its requests begin with, one line; it is DataMan's own and is not in Winnow"
            )
        try:
            line = Path(self.template_file).read_text(encoding="utf-8").removesuffix("\n")
        except UnicodeDecodeError:
            raise ValueError(f"template_file: {self.template_file} is not UTF-8") from None
        if not line.strip() or "\n" in line:
            raise ValueError(f"template_file: {self.template_file} should hold one line")
        return line


@dataclass(frozen=True, kw_only=True)
class Prompted(Generative):
    """A question to any model that follows instructions: every criterion with its anchors."""

    rater: Literal["prompted"] = "prompted"
    reply: Literal["json", "compact"] = "json"

    def form(self) -> ReplyForm:
        """All fifteen decisions."""
        make = as_json if self.reply == "json" else compact
        return make((DOMAIN, *CRITERIA))

    def wording(self) -> Wording:
        """The criteria and domains in words, and the form of the reply."""
        return prompted_wording(self.form())


def run_twice(engine: Engine, requests: Sequence[Request]) -> list[Completion]:
    """One completion a request; what the engine refuses is tried a second time."""
    done = engine.run(requests)
    again = [place for place, each in enumerate(done) if isinstance(each, Refused)]
    if again:
        second = engine.run([requests[place] for place in again])
        for place, completion in zip(again, second, strict=True):
            done[place] = completion
    return done


def _take(asker: Asker, text: str) -> Excerpt | Rated:
    """What of a text is read; a row at once where there is nothing to read."""
    try:
        excerpt = asker.excerpt(text)
    except MarkerError as error:
        return Rated({"status": "invalid_reply", "quality_reason": str(error)})
    return excerpt if excerpt.rated else Rated({"status": "empty"})


@lru_cache(maxsize=2)
def _open_asker(stage: Generative) -> Asker:
    budget = BUDGETS[stage.worded_in()]
    if stage.max_tokens is not None:
        budget = budget.resized(stage.max_tokens)
    free = stage.max_tokens is None and getattr(stage, "preset", None) is None
    frame, form = stage.frame(), stage.form()
    return open_asker(Path(stage.directory), frame, form, stage.long_documents, budget, shrink=free)
