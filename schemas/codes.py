"""Closed sets of codes that columns hold."""

MACRO_LANGUAGES = {
    "cmn": "zh", "zh-hant": "zh", "zh-hans": "zh", "zh-cn": "zh", "zh-tw": "zh", "arb": "ar",
    "nob": "no", "nb": "no", "iw": "he", "jw": "jv", "in": "id", "mo": "ro", "sh": "sr",
    "tlh": "und", "xx": "und", "un": "und", "zzp": "und", "zzb": "und", "zze": "und", "zzh": "und",
    "crs": "crs", "bh": "bih", "tl": "tl", "fil": "tl",
}  # fmt: skip
"""Codes that are written otherwise: macro languages, and what ISO 639 has withdrawn."""

_TWO = (
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da "
    "de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy "
    "hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg "
    "li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nd ne ng nl nn no nr nv ny oc oj om or os "
    "pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te "
    "tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
_THREE = (
    "bih blu ceb chr crs haw hmn kha lif mfe nso sco syr war nds als arz ast azb bar bcl bpy bxr "
    "cbk ckb dsb diq dty eml frr gom hif hsb ilo jbo krc lez lmo lrc mai mhr min mrj mwl myv mzn "
    "nah nap new pam pfl pms pnb rue sah scn tyv vec vep vls wuu xal xmf yue gsw"
)

LANGUAGES: tuple[str, ...] = ("und", *_TWO.split(), *_THREE.split())
"""ISO 639-1 codes, and ISO 639-3 codes of languages that have none of those; und when unsure."""

SCRIPTS: tuple[str, ...] = (
    "Latn",
    "Grek",
    "Cyrl",
    "Armn",
    "Hebr",
    "Arab",
    "Syrc",
    "Thaa",
    "Deva",
    "Beng",
    "Guru",
    "Gujr",
    "Orya",
    "Taml",
    "Telu",
    "Knda",
    "Mlym",
    "Sinh",
    "Thai",
    "Laoo",
    "Tibt",
    "Mymr",
    "Geor",
    "Hang",
    "Ethi",
    "Cher",
    "Cans",
    "Khmr",
    "Mong",
    "Hira",
    "Kana",
    "Hani",
    "Bopo",
    "Zyyy",
)
"""ISO 15924 codes; Zyyy where a text has no letters of any of the others."""
