"""Do everything that is not done yet: `spark-submit run_all.py CONFIG [as winnow run]`."""

import sys

from jobs.submission import submit

if __name__ == "__main__":
    sys.exit(submit("all", sys.argv[1:]))
