"""Measure an apply of many new pairs by 1 to 16 workers, against an emulator with latency in another process.

.venv/bin/python tests/bench/apply_many.py [PAIRS [LATENCY_MS]]

The ideal time counts latency only: requests x latency, divided by the workers. The requests before the first write
(the account and the lists) are not divided.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from many_pairs import COMMAND, build_environ, create_account, measure, serve, write_project

IN_SERIES = 6  # the account and two lists, in the plan and in the convergence check
WORKERS = (1, 4, 8, 16)


def main() -> None:
    """Measure an apply to a new account for each number of workers."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    latency = float(sys.argv[2]) if len(sys.argv) > 2 else 150
    for workers in WORKERS:
        with tempfile.TemporaryDirectory() as directory:
            folder = Path(directory)
            account = create_account(folder / "account.sqlite", 0)
            write_project(folder, pairs, account, per_file=100)
            command = (
                *(*COMMAND, "apply", "--auto-approve", "--format", "json"),
                *("--parallelism", str(workers)),
            )
            with serve(folder / "account.sqlite", "--latency", f"{latency:g}ms") as url:
                measured = measure(command, folder, build_environ(url))
            document = json.loads(measured.output)
            requests = document["plan"]["requests"] + document["applied"]["requests"]
            ideal = (IN_SERIES + (requests - IN_SERIES) / workers) * latency / 1000
            print(
                f"{workers:2} workers: {len(document['applied']['outcomes']):,} made with {requests:,} requests"
                f" in {measured.wall:.1f} s, ideal {ideal:.1f} s ({measured.wall / ideal:.2f} times),"
                f" CPU {measured.cpu:.1f} s"
            )


if __name__ == "__main__":
    main()
