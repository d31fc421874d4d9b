"""The machine and the versions that figures hold for."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path


def describe() -> str:
    """One line: date, processor, memory, versions."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((f.partition(": ")[2] for f in facts if f.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in ("pyspark", "pyarrow", "numpy"))
    return (
        f"{time.strftime('%Y-%m-%d')}: {len(os.sched_getaffinity(0))} cores of {model}, "
        f"{memory:.0f} GB; Python {platform.python_version()}, {libraries}"
    )
