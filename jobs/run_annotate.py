"""Measure documents one by one, without the raters: `spark-submit run_annotate.py CONFIG ...`."""

import sys

from jobs.submission import submit

if __name__ == "__main__":
    sys.exit(submit("annotate", sys.argv[1:]))
