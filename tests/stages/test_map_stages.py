"""Each map stage on a handful of strings: schema, hostile text, no row minding its neighbours."""

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.batches import measure
from tokenizers import Tokenizer, models, pre_tokenizers

from pipeline.io.tokenizer import SHIPPED, load_tokenizer
from pipeline.stages.base import MapStage
from pipeline.stages.exact_dedup import TextHash
from pipeline.stages.language import Language
from pipeline.stages.signals import Signals
from pipeline.stages.tokens import Tokens
from schemas.codes import LANGUAGES, SAME_LANGUAGES, SCRIPTS
from schemas.tables import VALUES

STAGES: list[MapStage] = [Language(), Signals(), Tokens(), TextHash()]
by_kind = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.kind)

HOSTILE = [
    "",
    " ",
    "\n\r\n\t\x0b\x0c",
    "\0",
    "\x00\x01\x02\x1b[31m\x7f\x80\x9f",
    "\ufeff\ufffe\uffff\ufdd0\U0001fffe\U0010ffff\ufffd",
    "\u202e\u2066rtl\u2069\u202c \u200f\u200e",
    "\u0301" * 500,
    "e" + "\u0301" * 500,
    "👨\u200d👩\u200d👧\u200d👦🏽🇺🇦🇺" * 30,
    "مرحبا بالعالم " * 30,
    "ﷺ" * 50,
    "<|endoftext|><s></s>[CLS]<pad>",
    "&#x110000; &lt;script&gt; <a href='" + "<" * 300,
    "漢" * 3000,
    "ก" * 3000,
    "a" * 2**20,
    "ж" * 2**19,
    "{" * 2000,
    "... " * 2000,
    "\u2028\u2029\x85" * 10,
    "The river rose in the night, and by morning the lower fields were gone.",
]


def apply(stage: MapStage, texts: Sequence[str]) -> pa.RecordBatch:
    return stage.apply(pa.record_batch([pa.array(texts, pa.string())], ["text"]))


@by_kind
def test_a_batch_has_the_declared_columns_row_by_row(stage: MapStage) -> None:
    for texts in ([], ["one"], HOSTILE):
        found = apply(stage, texts)
        assert found.schema.names == stage.schema().names
        assert found.schema.types == stage.schema().types
        assert len(found) == len(texts)
    assert f"{stage.kind}_status" not in stage.schema().names


@by_kind
def test_hostile_text_is_measured_like_any_other(stage: MapStage) -> None:
    one_by_one = [apply(stage, [text]).to_pylist()[0] for text in HOSTILE]
    assert apply(stage, HOSTILE).to_pylist() == one_by_one


@by_kind
def test_the_naughty_strings_are_measured(stage: MapStage, shared: Path) -> None:
    path = shared / "data" / "hostile" / "blns" / "blns.json"
    texts = json.loads(path.read_text(encoding="utf-8"))
    found = apply(stage, texts)
    assert len(found) == len(texts)
    assert found.equals(apply(stage, texts))


@by_kind
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(max_size=60), max_size=8), cut=st.integers(0, 8))
def test_rows_do_not_mind_their_neighbours(stage: MapStage, texts: list[str], cut: int) -> None:
    whole = apply(stage, texts).to_pylist()
    assert apply(stage, texts[:cut]).to_pylist() + apply(stage, texts[cut:]).to_pylist() == whole
    assert apply(stage, texts[::-1]).to_pylist() == whole[::-1]


@by_kind
def test_a_slice_of_a_batch_is_read_as_a_slice(stage: MapStage) -> None:
    batch = pa.record_batch([pa.array(["x", "two words", "y", "z"])], ["text"]).slice(1, 2)
    assert stage.apply(batch).to_pylist() == apply(stage, ["two words", "y"]).to_pylist()


def test_null_stands_only_where_a_measure_divides_by_nothing() -> None:
    found = apply(Signals(), ["", "word"]).to_pylist()
    assert found == [measure(""), measure("word")]
    assert all(value is not None for value in found[1].values())
    for stage in (Language(), Tokens(), TextHash()):
        assert all(column.null_count == 0 for column in apply(stage, HOSTILE).columns)


SENTENCES = {
    "en": "The river rose in the night, and by morning the lower fields were gone.",
    "de": "Als es hell wurde, war das Wasser zurückgegangen, und die Leute zählten die Schafe.",
    "fr": "Les gens du village sont sortis dans les champs pour compter ce qui restait.",
    "ru": "Утром мы вышли из деревни и долго шли вдоль реки, пока не показался мост.",
    "zh": "天亮的时候，河水已经退了。村里的人走到田里，开始清点剩下的东西。",
    "ja": "朝になると、川の水はもう引いていた。村の人々は畑に出ていった。",
    "ko": "날이 밝자 강물은 이미 빠져 있었다. 마을 사람들은 밭으로 나갔다.",
    "ar": "عندما طلع الفجر كان الماء قد انحسر وخرج أهل القرية إلى الحقول.",
    "he": "כשעלה השחר המים כבר ירדו ואנשי הכפר יצאו לשדות לספור את מה שנשאר.",
    "no": "Da det ble lyst hadde vannet trukket seg tilbake, og folk gikk ut for å telle sauene.",
    "hi": "जब सुबह हुई तो पानी उतर चुका था और गाँव के लोग खेतों में निकल आए थे।",
    "th": "เมื่อรุ่งเช้าน้ำก็ลดลงแล้ว ชาวบ้านออกไปที่ทุ่งนา",
    "el": "Όταν ξημέρωσε το νερό είχε ήδη φύγει και οι άνθρωποι βγήκαν στα χωράφια.",
    "jv": "Nalika esuk banyune wis surut lan wong-wong desa padha metu menyang sawah.",
}


def test_languages_have_their_iso_codes() -> None:
    found = apply(Language(), list(SENTENCES.values()))
    assert found.column("language").to_pylist() == list(SENTENCES)
    assert all(0.5 < score <= 1 for score in found.column("language_score").to_pylist())
    traditional = "天亮的時候，河水已經退了。村裡的人走到田裡，開始清點剩下的東西。"
    assert apply(Language(), [traditional]).column("language").to_pylist() == ["zh"]


def test_what_pycld2_refuses_is_cleaned_away() -> None:
    text = SENTENCES["en"]
    for nasty in ("\0", "\x0b\x1f", "\x7f\x9f", "\ufdd0\uffff", "\U0002ffff\U0010fffe"):
        assert apply(Language(), [text + nasty + text]).column("language").to_pylist() == ["en"]


def test_an_unsure_guess_is_und_and_min_score_makes_it_so() -> None:
    mixed = f"{SENTENCES['en']} {SENTENCES['fr']}"
    assert apply(Language(), ["", "12 34", "zxqj"]).column(0).to_pylist() == ["und"] * 3
    score = apply(Language(), [mixed]).column("language_score")[0].as_py()
    assert 0.3 < score < 0.8
    assert apply(Language(min_score=0.9), [mixed]).column(0).to_pylist() == ["und"]


def test_codes_are_a_closed_set() -> None:
    assert len(set(LANGUAGES)) == len(LANGUAGES)
    assert set(SAME_LANGUAGES.values()) <= set(LANGUAGES)
    assert not SAME_LANGUAGES.keys() & set(LANGUAGES)
    fields = {field.name: field for field in Language().schema()}
    for name, codes in (("language", LANGUAGES), ("script", SCRIPTS)):
        assert json.loads(fields[name].metadata[VALUES]) == list(codes)


def train(folder: Path, labels: Sequence[str]) -> str:
    """A fastText model that tells one word from another."""
    import fasttext

    corpus = folder / "corpus.txt"
    lines = [f"__label__{label} word{i} word{i} word{i}" for i, label in enumerate(labels)]
    corpus.write_text("\n".join(lines * 40) + "\n", encoding="utf-8")
    # fastText reads memory that it has not set, and now and then trains to NaN.
    for _ in range(20):
        with contextlib.suppress(RuntimeError):
            model = fasttext.train_supervised(
                str(corpus), dim=16, epoch=30, lr=0.5, minn=3, maxn=6, bucket=100_000, thread=1,
                verbose=0,
            )  # fmt: skip
            model.save_model(str(folder / "model.bin"))
            return str(folder / "model.bin")
    raise AssertionError("fastText trains to NaN every time")


def test_a_fasttext_models_labels_become_the_same_codes(tmp_path: Path) -> None:
    labels = {
        "en": "en", "eng_Latn": "en", "cmn_Hans": "zh", "zh-Hant": "zh", "arb_Arab": "ar",
        "nob": "no", "nb": "no", "iw": "he", "heb": "he", "als": "gsw", "als_Latn": "sq",
        "arz_Arab": "arz", "yue": "yue", "swh_Latn": "sw", "qqq": "und", "und": "und",
    }  # fmt: skip
    stage = Language(model=train(tmp_path, list(labels)))
    stage.check()
    texts = [f"word{i}\nword{i}\r\n word{i}" for i in range(len(labels))]
    found = apply(stage, texts)
    assert found.column("language").to_pylist() == list(labels.values())
    assert all(0.5 < score <= 1 for score in found.column("language_score").to_pylist())
    assert apply(stage, HOSTILE).column("language").null_count == 0


def test_a_model_that_does_not_load_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "model.bin"
    bad.write_bytes(b"no model")
    with pytest.raises(ValueError, match="no fastText model"):
        Language(model=str(bad)).check()
    with pytest.raises(ValueError, match=r"tokenizer: .* can't be loaded"):
        Tokens(tokenizer=str(bad)).check()


def test_tokens_are_those_of_the_tokenizer_by_itself() -> None:
    tokenizer = Tokenizer.from_file(str(SHIPPED))
    texts = [text for text in HOSTILE if "<|" not in text] + list(SENTENCES.values())
    expected = [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]
    assert apply(Tokens(), texts).column("n_tokens").to_pylist() == expected


def test_special_tokens_in_a_text_are_plain_text() -> None:
    content = json.loads(SHIPPED.read_text(encoding="utf-8"))
    special = [t["content"] for t in content["added_tokens"] if t["special"]]
    assert special
    for token in special:
        whole = Tokenizer.from_file(str(SHIPPED)).encode(token, add_special_tokens=False).ids
        assert len(whole) == 1
        assert apply(Tokens(), [token]).column("n_tokens")[0].as_py() > 1


def test_added_tokens_that_are_not_special_keep_their_numbers(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.BPE(vocab={"a": 0, "<": 1, "s": 2, ">": 3}, merges=[]))
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.add_tokens(["<a>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    found = load_tokenizer(str(tmp_path)).encode("a<s><a>", add_special_tokens=False).ids
    assert found == [0, 1, 2, 3, 5]


def make_tokenizer(folder: Path) -> Path:
    """Words at white space, with a post-processor that adds special tokens, and truncation."""
    from tokenizers.processors import TemplateProcessing

    vocabulary = {"[UNK]": 0, "[CLS]": 1, "one": 2, "two": 3}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 1)])
    tokenizer.add_special_tokens(["[CLS]"])
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=7)
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.mark.parametrize("as_file", [True, False])
def test_any_tokenizer_by_path(tmp_path: Path, as_file: bool) -> None:
    folder = make_tokenizer(tmp_path / "tokenizer")
    stage = Tokens(tokenizer=str(folder / "tokenizer.json" if as_file else folder))
    stage.check()
    texts = ["", "one two", "one two three four five", "[CLS] one", "one[CLS]two"]
    assert apply(stage, texts).column("n_tokens").to_pylist() == [0, 2, 5, 2, 1]


def test_hashes_are_of_the_bytes_of_the_text() -> None:
    texts = ["a", "b", "a", "á", "a\u0301", ""]
    hashes = apply(TextHash(), texts).column("text_hash").to_pylist()
    assert [hashes.index(h) for h in hashes] == [0, 1, 0, 3, 4, 5]
    assert hashes[3] == hashlib.blake2b("á".encode(), digest_size=16).digest()
