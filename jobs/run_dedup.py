"""Look at all documents at once: `spark-submit run_dedup.py CONFIG [as winnow run]`."""

import sys

from jobs.submission import submit

if __name__ == "__main__":
    sys.exit(submit("dedup", sys.argv[1:]))
