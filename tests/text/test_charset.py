"""Bytes of many charsets, declared rightly, wrongly and not at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text.charset import declared, decode, sniff

RUSSIAN = (
    "Утром мы вышли из деревни и долго шли вдоль реки. Вода стояла высоко, мост снесло ещё весной, "
    "и переправиться можно было только на лодке. Старик перевозчик ждал нас у берега."
)
UKRAINIAN = "Їхній дім стояв біля річки, і щоранку діти бігли до води дивитися на птахів."
JAPANESE = (
    "朝になると、川の水はもう引いていた。村の人々は畑に出て、残ったものを数えはじめた。"
    "子どもたちは学校へ行く前に、鐘を鳴らしていく。"
)
CHINESE = "天亮的时候，河水已经退了。村里的人走到田里，开始清点剩下的东西。孩子们还在敲钟。"
TRADITIONAL = "天亮的時候，河水已經退了。村裡的人走到田裡，開始清點剩下的東西。孩子們還在敲鐘。"
KOREAN = "날이 밝자 강물은 이미 빠져 있었다. 마을 사람들은 밭으로 나가 남은 것을 세기 시작했다."
POLISH = (
    "Gdy nadszedł świt, woda już opadła. Ludzie wyszli na pola i zaczęli liczyć, co zostało. "
    "Dzieci dzwonią dzwonem, zanim pójdą do szkoły; żaden dzień nie zaczyna się inaczej."
)
CZECH = "Když se rozednilo, voda už opadla. Lidé vyšli na pole a počítali, co jim ještě zůstalo."
GERMAN = "Als es hell wurde, war das Wasser zurückgegangen. Die Leute zählten, was übrig war."
FRENCH = (
    "À l’aube, l’eau s’était retirée. Les gens du village sont sortis dans les champs pour compter "
    "ce qui restait. « Où est la cloche ? » demandèrent les élèves."
)
GREEK = "Όταν ξημέρωσε, το νερό είχε ήδη φύγει. Οι άνθρωποι βγήκαν στα χωράφια και μετρούσαν."
TURKISH = "Gün ağarınca su çekilmişti. Köylüler tarlalara çıkıp kalanları saymaya başladılar."
HEBREW = "כשעלה השחר המים כבר ירדו. אנשי הכפר יצאו לשדות והתחילו לספור את מה שנשאר."
ARABIC = "عندما طلع الفجر كان الماء قد انحسر. خرج أهل القرية إلى الحقول وبدأوا يعدون ما بقي."
THAI = "เมื่อรุ่งเช้าน้ำก็ลดลงแล้ว ชาวบ้านออกไปที่ทุ่งนาและเริ่มนับสิ่งที่เหลืออยู่"

LEGACY = [
    ("cp1251", RUSSIAN),
    ("koi8-r", RUSSIAN),
    ("iso-8859-5", RUSSIAN),
    ("cp866", RUSSIAN),
    ("koi8-u", UKRAINIAN),
    ("cp1251", UKRAINIAN),
    ("shift_jis", JAPANESE),
    ("euc-jp", JAPANESE),
    ("iso-2022-jp", JAPANESE),
    ("gb18030", CHINESE),
    ("gb2312", CHINESE),
    ("big5", TRADITIONAL),
    ("euc-kr", KOREAN),
    ("iso-8859-2", POLISH),
    ("cp1250", POLISH),
    ("cp1250", CZECH),
    ("cp1252", GERMAN),
    ("cp1252", FRENCH),
    ("cp1253", GREEK),
    ("cp1254", TURKISH),
    ("cp1255", HEBREW),
    ("cp1256", ARABIC),
    ("cp874", THAI),
    ("utf-16-le", RUSSIAN),
    ("utf-16-be", RUSSIAN),
    ("utf-16-le", GERMAN),
    ("utf-16-be", GERMAN),
    ("utf-16-le", THAI),
    ("utf-16-le", "天 亮\n的 时 候\n"),
    ("utf-16-be", "天 亮\n的 时 候\n"),
    ("utf-8", RUSSIAN),
]


@pytest.mark.parametrize(("charset", "text"), LEGACY)
def test_charsets_that_nobody_declared(charset: str, text: str) -> None:
    assert decode(text.encode(charset), None)[0] == text


@pytest.mark.parametrize(("charset", "text"), [c for c in LEGACY if not c[0].startswith("utf")])
@pytest.mark.parametrize("label", ["header", "meta", "xml"])
def test_charsets_that_were_declared(charset: str, text: str, label: str) -> None:
    page = {
        "header": text,
        "meta": f'<html><head><META http-equiv=x content="text/html; Charset={charset}">{text}',
        "xml": f"<?xml version='1.0' encoding='{charset}'?><p>{text}</p>",
    }[label]
    header = f"text/html; charset={charset.upper()}" if label == "header" else "text/html"
    assert decode(page.encode(charset), header)[0] == page


@pytest.mark.parametrize("text", [RUSSIAN, JAPANESE, CHINESE, GERMAN, GREEK, THAI])
@pytest.mark.parametrize("wrong", ["iso-8859-1", "windows-1251", "shift_jis", "us-ascii", "gbk"])
def test_valid_utf8_is_utf8_whatever_is_declared(text: str, wrong: str) -> None:
    assert decode(text.encode(), f"text/html; charset={wrong}") == (text, "utf-8")


@pytest.mark.parametrize("text", [RUSSIAN, JAPANESE, GERMAN])
def test_one_broken_byte_costs_one_character(text: str) -> None:
    place = len(text) // 2
    broken = text[:place].encode() + b"\xff" + text[place:].encode()
    expected = text[:place] + "\ufffd" + text[place:]
    for header in (None, "text/html; charset=utf-8", "text/html; charset=iso-8859-1"):
        assert decode(broken, header)[0] == expected


def test_a_text_cut_within_a_character_keeps_the_rest() -> None:
    assert decode(JAPANESE.encode()[:-1], None) == (JAPANESE[:-1] + "\ufffd", "utf-8")
    for charset in ("euc-jp", "shift_jis"):
        cut = JAPANESE.encode(charset)[:-1]
        assert decode(cut, f"text/html; charset={charset}")[0] == JAPANESE[:-1] + "\ufffd"


@pytest.mark.parametrize(
    ("charset", "text"),
    [("cp1251", RUSSIAN), ("koi8-r", RUSSIAN), ("euc-kr", KOREAN), ("big5", TRADITIONAL)],
)
def test_latin_1_is_what_servers_say_when_they_dont_know(charset: str, text: str) -> None:
    header = "text/html; charset=ISO-8859-1"
    assert decode(text.encode(charset), header)[0] == text
    page = f'<meta charset="{charset}">{text}'
    assert decode(page.encode(charset), header)[0] == page
    assert decode(text.encode(charset), "text/html; charset=utf-8")[0] == text


def test_latin_1_is_believed_of_western_text() -> None:
    for text in (GERMAN, FRENCH):
        header = "text/html; charset=iso-8859-1"
        assert decode(text.encode("cp1252"), header) == (text, "cp1252")


def test_a_declared_charset_that_does_not_fit_is_not_used() -> None:
    header = "text/html; charset=euc-jp"
    assert decode(RUSSIAN.encode("cp1251"), header)[0] == RUSSIAN
    assert decode(GERMAN.encode("cp1252"), "text/html; charset=utf-8")[0] == GERMAN


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_settles_it(mark: str) -> None:
    assert decode(RUSSIAN.encode(mark), "text/html; charset=cp1251")[0] == RUSSIAN
    big = "\ufeff".encode("utf-16-be") + RUSSIAN.encode("utf-16-be")
    assert decode(big, None)[0] == RUSSIAN


@pytest.mark.parametrize(
    "label",
    ["nonsense", "rot13", "unicode_escape", "idna", "undefined", "hex", "utf-7", "utf-16", ""],
)
def test_labels_that_name_no_charset_of_text_count_as_none(label: str) -> None:
    text = "plain \\x41 text +AGE- é"
    assert decode(text.encode(), f"text/html; charset={label}")[0] == text
    page = f"<meta charset={label}>plain \\x41 text"
    assert decode(page.encode(), None)[0] == page


def test_markup_does_not_drown_the_text() -> None:
    script = "<script>" + "var a = 1; " * 20_000 + "</script>\n"
    page = f"<html>{script}<p class='x'>{RUSSIAN}</p>\n{script}</html>"
    assert decode(page.encode("koi8-r"), None)[0] == page
    line = "<div class='a'><i>" * 10_000 + RUSSIAN + "</i></div>" * 10_000
    assert decode(line.encode("koi8-r"), None)[0] == line


def test_nul_in_other_text_does_not_make_it_utf16() -> None:
    for text in (GERMAN, FRENCH):
        content = text.encode("cp1252")[:80]
        broken = content[:11] + b"\0" + content[11:31] + b"\0" + content[31:]
        assert len(broken) % 2 == 0
        assert decode(broken, None)[0].replace("\0", "") == text[:80]
    assert decode(b"\0\0", None)[0] == "\0\0"
    two_of_many_blanks = b"\xe9t \0" * 2 + b"un \xe9" * 20
    assert "\0" in decode(two_of_many_blanks, None)[0]


def test_the_header_is_read_as_servers_write_it() -> None:
    assert declared("text/html; Charset = 'KOI8-R' ; x=y") == "KOI8-R"
    assert declared("text/html") is None
    assert declared(None) is None
    assert decode(b"", None) == ("", "utf-8")
    assert sniff(b"") is None


@given(st.binary(max_size=300), st.none() | st.sampled_from(["utf-8", "gbk", "iso-2022-jp", "hz"]))
@settings(max_examples=500, deadline=None)
def test_any_bytes_become_text(content: bytes, label: str | None) -> None:
    text, name = decode(content, label and f"text/html; charset={label}")
    text.encode()  # no surrogates
    assert name
    if "\ufffd" not in text and not name.startswith(("iso2022", "hz")):
        assert content.decode(name) == text


@given(st.text(min_size=1, max_size=100))
@settings(max_examples=300, deadline=None)
def test_utf8_comes_back_as_it_was(text: str) -> None:
    if text.startswith("\ufeff") or "\x1b" in text or "\0" in text:
        return
    assert decode(text.encode(), "text/html; charset=iso-8859-1")[0] == text
