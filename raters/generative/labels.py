"""What criteria and domains are called in requests, in English and in Chinese."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from raters.criteria import CRITERIA, DOMAINS

Lang = Literal["en", "zh"]
"""The language in which a request is worded."""

_CHINESE_CRITERIA = (
    "准确性 连贯性 语种一致性 信息含量 知识新颖性 专注度 创意 "
    "专业性 风格一致性 语法多样性 结构规范性 内容原创性 敏感度 总评"
)
_CHINESE_DOMAINS = "医疗 金融 法律 教育 科技 娱乐 数学 代码 政务 文化 交通 零售电商 电信 农业 其他"

CRITERION_LABELS: Mapping[Lang, Mapping[str, str]] = MappingProxyType(
    {
        "en": {name: name.replace("_", " ").title() for name in CRITERIA},
        "zh": dict(zip(CRITERIA, _CHINESE_CRITERIA.split(), strict=True)),
    }
)
"""By column, DataMan's name of the criterion."""

DOMAIN_LABELS: Mapping[Lang, Mapping[str, str]] = MappingProxyType(
    {"en": dict(DOMAINS), "zh": dict(zip(DOMAINS, _CHINESE_DOMAINS.split(), strict=True))}
)
"""By letter, DataMan's name of the domain."""
