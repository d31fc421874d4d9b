"""The errors that a user can cause; the command line prints them without a traceback."""


class WinnowError(Exception):
    """The work failed for a reason that the message names; exit status 1."""


class ConfigurationError(WinnowError):
    """The command or the configuration is wrong; found before any work, exit status 2."""
