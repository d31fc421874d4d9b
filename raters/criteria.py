"""What raters rate: fourteen criteria of quality, and the domain (DataMan, arXiv 2502.19363)."""

from collections.abc import Mapping
from types import MappingProxyType

CRITERIA = (
    "accuracy",
    "coherence",
    "language_consistency",
    "semantic_density",
    "knowledge_novelty",
    "topic_focus",
    "creativity",
    "professionalism",
    "style_consistency",
    "grammatical_diversity",
    "structural_standardization",
    "originality",
    "sensitivity",
    "overall_score",
)
"""In the order in which they are decided; each is an integer from 1 to 5, higher is better."""

SCALE = (1, 2, 3, 4, 5)
"""The scores that a criterion can have."""

DOMAINS: Mapping[str, str] = MappingProxyType(
    {
        "A": "Medicine",
        "B": "Finance",
        "C": "Law",
        "D": "Education",
        "E": "Technology",
        "F": "Entertainment",
        "G": "Mathematics",
        "H": "Coding",
        "I": "Government",
        "J": "Culture",
        "K": "Transportation",
        "L": "Retail E-commerce",
        "M": "Telecommunication",
        "N": "Agriculture",
        "O": "Other",
    }
)
"""The closed set of domains, by letter."""
