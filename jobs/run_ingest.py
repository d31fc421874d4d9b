"""Read what no earlier run has read: `spark-submit run_ingest.py CONFIG [as winnow run]`."""

import sys

from jobs.submission import submit

if __name__ == "__main__":
    sys.exit(submit("ingest", sys.argv[1:]))
