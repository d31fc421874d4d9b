"""What a request asks for: all ratings, the overall score alone, or the domain alone."""

from typing import Literal

from raters.criteria import CRITERIA
from raters.generative.replies import DOMAIN

Mode = Literal[
    "all_rating", "score_only", "domain_only", "detprompt_score_only", "detprompt_domain_only"
]
"""DataMan's modes; those that begin with detprompt list what the answer is chosen by."""

OVERALL = CRITERIA[-1]


def decided(mode: Mode) -> tuple[str, ...]:
    """The decisions of a mode, in order."""
    if mode == "all_rating":
        return (DOMAIN, *CRITERIA)
    return (DOMAIN,) if mode.endswith("domain_only") else (OVERALL,)
