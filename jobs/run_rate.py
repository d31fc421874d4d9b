"""Rate documents: `spark-submit run_rate.py CONFIG [as winnow run]`."""

import sys

from jobs.submission import submit

if __name__ == "__main__":
    sys.exit(submit("rate", sys.argv[1:]))
