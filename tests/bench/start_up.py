"""Measure the CPU time of short commands. Prints figures, asserts nothing.

.venv/bin/python tests/bench/start_up.py [RUNS]
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from pathlib import Path

COMMANDS = (["--help"], ["--version"], ["plan", "--help"], ["explain", "unauthorized"], ["validate"])


def measure_cpu(arguments: list[str]) -> float:
    """Measure user and system time of one run of the command by the accounting of the kernel."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [str(Path(sys.executable).with_name("reconciler")), *arguments], capture_output=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def main() -> None:
    """Run every command a few times and print the spread."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    print(f"CPU milliseconds of {runs} runs after one warm-up")
    for arguments in COMMANDS:
        measure_cpu(arguments)
        times = [measure_cpu(arguments) for _ in range(runs)]
        shown = " ".join(arguments)
        print(
            f"{shown:24} min {min(times):5.0f}  median {statistics.median(times):5.0f}  max {max(times):5.0f}"
        )


if __name__ == "__main__":
    main()
