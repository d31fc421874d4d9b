"""The stages that ask a generative model, on a model made on the spot, with the real engine."""

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest
from support import ROOT
from support.models import CHAT_MARKERS, write_chat_model
from tokenizers import Tokenizer

from pipeline.stages.fingerprint import fingerprint
from raters.base import Choosing, Chosen, Completion, Refused, Request
from raters.criteria import CRITERIA, DOMAINS
from raters.engines.options import EngineName
from raters.generative.labels import Lang
from raters.generative.modes import Mode
from raters.generative.presets import Preset
from raters.generative.stages import DataMan, Generative, Prompted, run_twice
from raters.quality import Quality
from schemas.tables import STATUSES

PROSE = "The river rose in the night, and by morning the lower fields were gone."
MODES: dict[Mode, tuple[str, ...]] = {
    "all_rating": ("domain", *CRITERIA),
    "score_only": ("overall_score",),
    "domain_only": ("domain",),
    "detprompt_score_only": ("overall_score",),
    "detprompt_domain_only": ("domain",),
}
PRESETS: dict[Lang, Preset] = {"en": "dataman-1.5b-en", "zh": "dataman-1.5b-zh"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chat_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("line") / "line.txt"
    file.write_text("Rate it.\n")
    return str(file)


def rate(
    stage: Generative, texts: Sequence[str], languages: Sequence[str | None] | None = None
) -> list[dict[str, Any]]:
    languages = languages or [stage.worded_in()] * len(texts)
    columns = [pa.array(texts, pa.string()), pa.array(languages, pa.string())]
    found = stage.apply(pa.record_batch(columns, ["text", "language"]))
    assert found.schema.names == [*stage.schema().names, "status"]
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def plain(
    folder: Path, before: str, text: str, after: str, decided: Sequence[str], between: str
) -> dict[str, list[float]]:
    """By decision, log p of its options: a forward pass each of all that stands before it."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    loaded = AutoModelForCausalLM.from_pretrained(folder).eval()

    def encode(some: str) -> list[int]:
        return list(tokenizer.encode(some, add_special_tokens=False).ids)

    written = [*encode(before), *encode(text), *encode(after)]
    found: dict[str, list[float]] = {}
    for name in decided:
        written += encode(between) if found else []
        options = [*DOMAINS] if name == "domain" else [*"12345"]
        with torch.inference_mode():
            logits = loaded(torch.tensor([written])).logits[0, -1]
        logprobs = torch.log_softmax(logits.double(), 0)
        tokens = [token for option in options for token in encode(option)]
        found[name] = logprobs[tokens].tolist()
        written.append(tokens[found[name].index(max(found[name]))])
    return found


def check_row(row: dict[str, Any], found: dict[str, list[float]]) -> None:
    """The row is what the definitions make of these log probabilities, and nothing more."""
    masses = [sum(map(math.exp, logprobs)) for logprobs in found.values()]
    assert row["status"] == "ok"
    assert row["quality_grammar_mass"] == pytest.approx(sum(masses) / len(masses), abs=1e-5)
    assert row["quality_grammar_mass_min"] == pytest.approx(min(masses), abs=1e-5)
    assert row["quality_residual_mass"] == 0
    for name in ("domain", *CRITERIA):
        if name not in found:
            assert row[name] is None
            assert row.get(f"{name}_expected") is row.get(f"{name}_probability") is None
            continue
        total = sum(map(math.exp, found[name]))
        odds = [math.exp(logprob) / total for logprob in found[name]]
        best = odds.index(max(odds))
        if name == "domain":
            assert row["domain"] == [*DOMAINS][best]
            assert row["domain_probability"] == pytest.approx(max(odds), abs=1e-5)
        else:
            assert row[name] == best + 1
            mean = sum(k * p for k, p in enumerate(odds, 1))
            assert row[f"{name}_expected"] == pytest.approx(mean, abs=1e-4)
        if name == "overall_score":
            entropy = -sum(p * math.log(p) for p in odds)
            assert row["overall_score_entropy"] == pytest.approx(entropy, abs=1e-4)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("released", [True, False])
def test_all_modes_agree_with_plain_forward_passes(
    model: Path, line: str, mode: Mode, lang: Lang, released: bool
) -> None:
    if released:
        stage = DataMan(model=str(model), preset=PRESETS[lang], mode=mode, template_file=line)
    else:
        stage = DataMan(model=str(model), lang=lang, mode=mode)
    stage.check()
    frame = stage.frame()
    for row, text in zip(
        rate(stage, [PROSE, "河水涨了。" * 9]), (PROSE, "河水涨了。" * 9), strict=True
    ):
        check_row(row, plain(model, frame.before, text, frame.after, MODES[mode], "\n"))


def test_a_prompted_reply_in_json_agrees_with_plain_forward_passes(model: Path) -> None:
    stage = Prompted(model=str(model))
    stage.check()
    frame = stage.frame()
    (row,) = rate(stage, [PROSE])
    # The text between two decisions is not the same throughout, so each is asked for by itself.
    asked = dict(zip(("domain", *CRITERIA), stage.form().literals, strict=False))
    found: dict[str, list[float]] = {}
    written = frame.after
    for name, literal in asked.items():
        written += literal
        found |= plain(model, frame.before, PROSE, written, [name], "")
        options = [*DOMAINS] if name == "domain" else [*"12345"]
        written += options[found[name].index(max(found[name]))]
    check_row(row, found)
    assert json.loads(written.removeprefix(frame.after) + "}") == {
        name: row[name] for name in ("domain", *CRITERIA)
    }


def test_the_columns_are_those_of_the_contract(model: Path) -> None:
    told = DataMan(model=str(model)).schema()
    shared = Quality().schema()
    assert told.names == [
        *shared.names, "quality_grammar_mass", "quality_grammar_mass_min", "quality_residual_mass",
        "quality_truncated", "quality_rated_tokens", "quality_n_tokens", "quality_reason",
    ]  # fmt: skip
    for field in shared:
        assert told.field(field.name).equals(field, check_metadata=True)
    assert Prompted(model=str(model)).schema().equals(told, check_metadata=True)
    assert DataMan.tokens_column in told.names


def test_a_row_has_a_rating_only_where_ok(model: Path) -> None:
    stage = DataMan(model=str(model), mode="score_only")
    texts = [PROSE, "", " \n\t\u3000", PROSE, PROSE, PROSE]
    rows = rate(stage, texts, ["en", "en", None, "zh", "und", None])
    told = ["ok", "empty", "empty", *["unsupported_language"] * 3]
    assert [row.pop("status") for row in rows] == told
    for row in rows[1:]:
        assert set(row.values()) == {None}
    assert rows[0]["overall_score"] is not None
    assert set(told) <= set(STATUSES)


def test_a_rater_declares_its_languages(model: Path, line: str) -> None:
    def rated(stage: Generative) -> list[str]:
        codes = ["en", "zh", "de"]
        return [code for code in codes if stage.status_before(PROSE, code) == "ok"]

    assert rated(DataMan(model=str(model), preset="dataman-1.5b-en", template_file=line)) == ["en"]
    assert rated(DataMan(model=str(model), preset="dataman-1.5b-zh", template_file=line)) == ["zh"]
    assert rated(DataMan(model=str(model), lang="zh")) == ["zh"]
    assert rated(DataMan(model=str(model))) == rated(Prompted(model=str(model))) == ["en"]
    assert rated(Prompted(model=str(model), languages=("de", "zh"))) == ["zh", "de"]


def test_nothing_is_loaded_where_there_is_nothing_to_rate(model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "copy")
    (copy / "model.safetensors").write_bytes(b"no weights")
    rows = rate(DataMan(model=str(copy)), ["", PROSE], ["en", "fr"])
    assert [row["status"] for row in rows] == ["empty", "unsupported_language"]


def test_rows_do_not_mind_their_neighbours(model: Path) -> None:
    stage = DataMan(model=str(model), mode="detprompt_score_only")
    texts = [PROSE, "x", PROSE * 60, "", "漢" * 900, "<|im_end|>"]
    together = rate(stage, texts)
    assert together == [rate(stage, [text])[0] for text in texts]
    assert together[::-1] == rate(stage, texts[::-1])


def test_long_documents_in_windows_are_rated_by_all_of_them(model: Path) -> None:
    base = DataMan(model=str(model), max_tokens=40)
    stage = replace(base, long_documents="windows")
    text = "".join(chr(97 + place * place % 26) for place in range(100))
    (row,) = rate(stage, [text])
    cuts = rate(base, [text[:40], text[40:80], text[80:]])
    for name in (f"{criterion}_expected" for criterion in CRITERIA):
        mean = sum(w * cut[name] for w, cut in zip((0.4, 0.4, 0.2), cuts, strict=True))
        assert row[name] == pytest.approx(mean, abs=1e-5)
        assert row[name.removesuffix("_expected")] == math.ceil(row[name] - 0.5)
    masses = [cut["quality_grammar_mass"] for cut in cuts]
    assert row["quality_grammar_mass"] == pytest.approx(
        0.4 * masses[0] + 0.4 * masses[1] + 0.2 * masses[2]
    )
    assert row["quality_grammar_mass_min"] == min(cut["quality_grammar_mass_min"] for cut in cuts)
    assert (row["quality_truncated"], row["quality_rated_tokens"]) == (False, 100)
    (ends,) = rate(base, [text])
    assert (ends["quality_truncated"], ends["quality_rated_tokens"]) == (True, 40)
    assert ends["quality_n_tokens"] == 100
    # A text of one window is the same rating either way.
    assert rate(stage, [text[:40]]) == cuts[:1]


SCRIPTS = [
    chr(first + place)
    for first in (
        0x41, 0xC0, 0x391, 0x410, 0x531, 0x5D0, 0x627, 0x710, 0x780, 0x7CA, 0x905, 0x985, 0xA05,
        0xA85, 0xB05, 0xB85, 0xC05, 0xC85, 0xD05, 0xD85, 0xE01, 0xE81, 0xF40, 0x1000, 0x10A0,
        0x1100, 0x1200, 0x13A0, 0x1401, 0x1681, 0x16A0, 0x1780, 0x1820, 0x1E00, 0x2C00, 0x2D30,
        0x3041, 0x30A1, 0x4E00, 0xA000, 0xAC00, 0x10330, 0x1F600,
    )
    for place in range(5)
]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "the cat sat on " * 30_000,
        "a" * 100_000,
        "the" * 40_000,
        "漢" * 50_000,
        "x" + "\n" * 20_000,
        "".join(CHAT_MARKERS) * 500,
        " ".join(SCRIPTS) * 40,
        "\x00" + "\ufffe" * 9 + "e" + "\u0301" * 5000,
        "\u202e\u2066" * 3000 + "x",
        "👩‍👩‍👧‍👦" * 2000,
    ],
)
@pytest.mark.parametrize(
    ("engine", "whole"), [("transformers", False), ("transformers", True), ("torch", False)]
)
def test_any_document_is_rated(model: Path, text: str, engine: EngineName, whole: bool) -> None:
    assert len(SCRIPTS) >= 5 * 40
    stage = DataMan(model=str(model), mode="domain_only", engine=engine)
    if whole:
        stage = replace(stage, long_documents="windows", max_tokens=4000)
        text = text[: 3 * len(text) // 10]
    (row,) = rate(stage, [text])
    assert row["status"] == "ok"
    assert row["quality_truncated"] is (not whole and row["quality_n_tokens"] > 1894)
    rated = row["quality_n_tokens"] if whole else min(1894, row["quality_n_tokens"])
    assert row["quality_rated_tokens"] == rated


def test_all_the_naughty_strings_are_rated(model: Path, shared: Path) -> None:
    path = shared / "data" / "hostile" / "blns" / "blns.json"
    texts = json.loads(path.read_text(encoding="utf-8"))[::4]
    rows = rate(DataMan(model=str(model), mode="domain_only"), texts)
    assert {row["status"] for row in rows} <= {"ok", "empty"}


# --- refusals


class Moody:
    """An engine that refuses some requests for a while."""

    exact: ClassVar[bool] = True

    def __init__(self, refusals: dict[int, int]) -> None:
        self.refusals = refusals
        self.asked: list[int] = []

    def run(self, requests: Sequence[Request]) -> list[Completion]:
        done: list[Completion] = []
        for request in requests:
            number = request.tokens[0]
            self.asked.append(number)
            left = self.refusals.get(number, 0)
            self.refusals[number] = left - 1
            if left > 0:
                done.append(Refused(reason=f"refused, {left} left"))
            else:
                done.append(Chosen(picks=[0], logprobs=[[-1.0, -2.0]]))
        return done


def test_what_is_refused_is_tried_once_more_and_nothing_else() -> None:
    engine = Moody({1: 1, 3: 2})
    done = run_twice(engine, [Choosing(tokens=[n], steps=[[1, 2]]) for n in range(5)])
    assert engine.asked == [0, 1, 2, 3, 4, 1, 3]
    assert [isinstance(each, Chosen) for each in done] == [True, True, True, False, True]
    assert done[3] == Refused(reason="refused, 1 left")


def test_a_reply_without_numbers_is_a_status_and_a_reason(model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(model, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][:] = math.nan
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    (row,) = rate(DataMan(model=str(broken), mode="score_only"), [PROSE])
    assert row.pop("status") == "invalid_reply"
    assert row.pop("quality_reason") == "the model gave no number"
    assert set(row.values()) == {None}


def test_a_run_tells_how_many_ratings_were_forced(model: Path) -> None:
    stage = DataMan(model=str(model))
    mass = pa.array([0.2, None, 0.951, 0.949, 1.0], pa.float32())
    told = stage.remarks(pa.record_batch([mass], ["quality_grammar_mass"]))
    assert told == {"with a grammar mass under 0.95": 2}
    none = pa.array([None, 0.97], pa.float32())
    assert stage.remarks(pa.record_batch([none], ["quality_grammar_mass"])) == {}


# --- what decides the values


def test_the_fingerprint_tells_everything_that_decides_the_values(
    model: Path, line: str, tmp_path: Path
) -> None:
    stage = DataMan(model=str(model), preset="dataman-1.5b-en", template_file=line)
    other = tmp_path / "other.txt"
    other.write_text("Rate it!\n")
    copy = shutil.copytree(model, tmp_path / "copy")
    same = tmp_path / "same.txt"
    same.write_text(Path(line).read_text())
    moved = replace(stage, model=str(copy), template_file=str(same), device="cpu")
    assert fingerprint(moved) == fingerprint(stage)
    changed = [
        replace(stage, template_file=str(other)),
        replace(stage, mode="score_only"),
        replace(stage, preset="dataman-1.5b-zh"),
        replace(stage, long_documents="windows"),
        replace(stage, languages=("en", "de")),
        DataMan(model=str(model)),
        DataMan(model=str(model), lang="zh"),
        DataMan(model=str(model), max_tokens=100),
        Prompted(model=str(model)),
        Prompted(model=str(model), reply="compact"),
    ]
    prints = {fingerprint(each) for each in (stage, *changed)}
    assert len(prints) == len(changed) + 1
    config = json.loads((copy / "tokenizer_config.json").read_text())
    config["chat_template"] += " "
    (copy / "tokenizer_config.json").write_text(json.dumps(config))
    assert fingerprint(moved) not in prints


def test_a_stage_is_checked_without_torch_or_spark(model: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from raters.generative.stages import DataMan\n"
        f"DataMan(model={str(model)!r}).check()\n"
        "print(sorted({'torch', 'transformers', 'pyspark'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"
