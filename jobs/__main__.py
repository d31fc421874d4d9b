"""`winnow` and `python -m jobs`."""

import sys


def main() -> int:
    """Run the command line; the exit status."""
    from jobs.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
