"""`winnow` and `python -m jobs`."""

import io
import sys


def main() -> int:
    """Run the command line; the exit status."""
    from jobs.cli import run

    # A terminal that lacks a character shows a question mark; it is no reason to fail.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
