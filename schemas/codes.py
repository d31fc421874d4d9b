"""Closed sets of codes that columns hold."""

from collections.abc import Mapping
from types import MappingProxyType

_TWO = (
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da "
    "de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy "
    "hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg "
    "li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nd ne ng nl nn no nr nv ny oc oj om or os "
    "pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te "
    "tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
_TWO_IN_THREE = (
    "aar abk ave afr aka amh arg ara asm ava aym aze bak bel bul bis bam ben bod bre bos cat che "
    "cha cos cre ces chu chv cym dan deu div dzo ewe ell eng epo spa est eus fas ful fin fij fao "
    "fra fry gle gla glg grn guj glv hau heb hin hmo hrv hat hun hye her ina ind ile ibo iii ipk "
    "ido isl ita iku jpn jav kat kon kik kua kaz kal khm kan kor kau kas kur kom cor kir lat ltz "
    "lug lim lin lao lit lub lav mlg mah mri mkd mal mon mar msa mlt mya nau nde nep ndo nld nno "
    "nor nbl nav nya oci oji orm ori oss pan pli pol pus por que roh run ron rus kin san srd snd "
    "sme sag sin slk slv smo sna som sqi srp ssw sot sun swe swa tam tel tgk tha tir tuk tgl tsn "
    "ton tur tso tat twi tah uig ukr urd uzb ven vie vol wln wol xho yid yor zha zho zul"
)
_THREE = (
    "bih blu ceb chr crs haw hmn kha lif mfe nso sco syr war nds arz ast azb bar bcl bpy bxr "
    "cbk ckb dsb diq dty eml frr gom hif hsb ilo jbo krc lez lmo lrc mai mhr min mrj mwl myv mzn "
    "nah nap new pam pfl pms pnb rue sah scn tyv vec vep vls wuu xal xmf yue gsw "
    "gaa kri loz lua luo raj tum ace acm acq aeb ajp apc ars ary awa ban bem bho bjn bug cjk crh "
    "dik dyu fon fur hne kab kac kam kbp kea kmb lij ltg lus mag mni mos nqo nus pag pap sat shn "
    "szl taq tpi tzm umb bal dgo doi kok lad lld mnw nan rmy sma smj smn sms srn tet tig udm wal"
)

_WRITTEN_OTHERWISE = {
    "cmn": "zh", "zh-hant": "zh", "zh-hans": "zh", "zh-cn": "zh", "zh-tw": "zh", "arb": "ar",
    "nob": "no", "nb": "no", "iw": "he", "jw": "jv", "in": "id", "mo": "ro", "sh": "sr",
    "hbs": "sr", "sr-me": "sr", "bh": "bih", "fil": "tl", "azj": "az", "ayr": "ay", "ekk": "et",
    "fuv": "ff", "gaz": "om", "khk": "mn", "kmr": "ku", "knc": "kr", "lvs": "lv", "npi": "ne",
    "ory": "or", "pbt": "ps", "pes": "fa", "plt": "mg", "prs": "fa", "quy": "qu", "swh": "sw",
    "uzn": "uz", "ydd": "yi", "zsm": "ms",
    # The older models' als is Wikipedia's, Alemannic; ISO 639-3's is Albanian.
    "als": "gsw", "als_latn": "sq",
}  # fmt: skip
SAME_LANGUAGES: Mapping[str, str] = MappingProxyType(
    dict(zip(_TWO_IN_THREE.split(), _TWO.split(), strict=True)) | _WRITTEN_OTHERWISE
)
"""What other codes stand for: ISO 639-3, standard forms of macro languages, withdrawn codes."""

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
