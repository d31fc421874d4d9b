"""`winnow init`: a configuration to start from."""

import argparse
from pathlib import Path

from jobs import template
from schemas.errors import ConfigurationError


def init(arguments: argparse.Namespace) -> int:
    """Write corpus.yaml; never over one that is there."""
    path = Path(arguments.directory, "corpus.yaml")
    if path.exists():
        raise ConfigurationError(
            f"{path} is there already; remove it first, or name another folder"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    template.write_template(arguments.directory)
    print(f"wrote {path}; edit it, then: winnow run {path}")
    return 0
