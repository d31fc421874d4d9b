"""The requests that the released DataMan checkpoints were trained on (arXiv 2502.19363)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from raters.criteria import CRITERIA
from raters.generative.labels import CRITERION_LABELS, DOMAIN_LABELS, Lang
from raters.generative.modes import OVERALL, Mode

Preset = Literal["dataman-1.5b-en", "dataman-1.5b-zh"]
"""A released checkpoint."""

PRESET_LANGS: Mapping[Preset, Lang] = MappingProxyType(
    {"dataman-1.5b-en": "en", "dataman-1.5b-zh": "zh"}
)
"""By checkpoint, the language of its requests and of the texts that it was trained on."""

_TEXT: Mapping[Lang, str] = MappingProxyType({"en": "Text: ", "zh": "文本: "})
_DOMAIN: Mapping[Lang, str] = MappingProxyType({"en": "Domain:_", "zh": "领域:_"})
_DOMAIN_TYPES: Mapping[Lang, str] = MappingProxyType({"en": "Domain Types: ", "zh": "领域类型："})


@dataclass(frozen=True)
class Wording:
    """The messages to a model, around the document, which stands between `before` and `after`."""

    before: str
    after: str
    system: str | None = None


def preset_wording(lang: Lang, mode: Mode, instruction: str) -> Wording:
    """DataMan's request, byte for byte, with its first line given."""
    lines = {
        "all_rating": [_DOMAIN[lang], *(_criteria(lang, CRITERIA, ":_/5"))],
        "score_only": [_overall(lang)],
        "domain_only": [_DOMAIN[lang]],
        "detprompt_score_only": [*_criteria(lang, CRITERIA[:-1], ""), _overall(lang)],
        "detprompt_domain_only": [_domains(lang), _DOMAIN[lang]],
    }
    return Wording(
        before=f"{instruction}\n{_TEXT[lang]}",
        after="".join(f"\n{line}" for line in lines[mode]),
        system="You are a helpful assistant.",
    )


def _criteria(lang: Lang, names: tuple[str, ...], slot: str) -> list[str]:
    labels = CRITERION_LABELS[lang]
    return [f"[{place}]{labels[name]}{slot}" for place, name in enumerate(names, 1)]


def _overall(lang: Lang) -> str:
    return f"{CRITERION_LABELS[lang][OVERALL]}:_/5"


def _domains(lang: Lang) -> str:
    listed = " ".join(f"[{letter}]{name}" for letter, name in DOMAIN_LABELS[lang].items())
    return _DOMAIN_TYPES[lang] + listed


QWEN2_FRAME = (
    "<|im_start|>system\n{system}<|im_end|>\n"
    "<|im_start|>user\n{request}<|im_end|>\n"
    "<|im_start|>assistant\n"
)
"""What the chat template of the checkpoints makes of the two messages."""
