"""The errors that a user can cause; the command line prints them without a traceback."""

import re


class WinnowError(Exception):
    """The work failed for a reason that the message names; exit status 1."""


class ConfigurationError(WinnowError):
    """The command or the configuration is wrong; found before any work, exit status 2."""


class OutageError(WinnowError):
    """What the work depends on is out of order: no other document would fare better."""


_URL = re.compile(r"(\w+://)([^/@\s'\"]+@)?([^\s?'\"]*)(\?[^\s'\"]*=[^\s'\")\]]*)?")


def redacted(text: str) -> str:
    """A text in which no URL says who asks, or has the query in which signed ones carry a key."""
    return _URL.sub(
        lambda url: url[1] + "***@" * bool(url[2]) + url[3] + "?***" * bool(url[4]), text
    )
