"""Select and write the mixtures: `spark-submit run_select.py CONFIG [as winnow select]`."""

import sys

from jobs.submission import submit

if __name__ == "__main__":
    sys.exit(submit("select", sys.argv[1:]))
