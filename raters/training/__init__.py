"""Recipes that make the artefacts which raters ship with."""

import os

# Several threads add in another order, and the artefact's last digits would follow their number.
for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[_name] = "1"
