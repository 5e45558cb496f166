"""Measure an apply of many new pairs by 1 to 16 workers, against an emulator with latency in another process.

.venv/bin/python tests/bench/apply_many.py [PAIRS [LATENCY_MS]]

The ideal time counts latency only: requests x latency, divided by the workers. The requests before the first write
(the account and the lists) are not divided.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from plan_many import COMMAND, create_account, serve, write_project

IN_SERIES = 6  # the account and two lists, in the plan and in the convergence check
WORKERS = (1, 4, 8, 16)


def run_apply(folder: Path, url: str, workers: int) -> tuple[dict[str, int], float, float]:
    """Run one apply. Returns its document, wall seconds and CPU seconds."""
    environ = {
        **os.environ,
        "FIVETRAN_APIKEY": "k",
        "FIVETRAN_APISECRET": "s",
        "FIVETRAN_API_URL": url,
        "WAREHOUSE_PASSWORD": "correct horse",
    }
    command = [str(COMMAND), "apply", "--auto-approve", "--format", "json", "--parallelism", str(workers)]
    began = time.monotonic()
    with (folder / "applied.json").open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    document = json.loads((folder / "applied.json").read_text())
    if status or document["applied"]["remaining"]:
        raise SystemExit(f"the apply ended with status {status}")
    requests = document["plan"]["requests"] + document["applied"]["requests"]
    return (
        {"requests": requests, "made": len(document["applied"]["outcomes"])},
        wall,
        usage.ru_utime + usage.ru_stime,
    )


def main() -> None:
    """Measure an apply to a new account for each number of workers."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    latency = float(sys.argv[2]) if len(sys.argv) > 2 else 150
    for workers in WORKERS:
        with tempfile.TemporaryDirectory() as directory:
            folder = Path(directory)
            write_project(folder, pairs, create_account(folder / "account.sqlite", 0))
            with serve(folder / "account.sqlite", "--latency", f"{latency:g}ms") as url:
                run, wall, cpu = run_apply(folder, url, workers)
            divided = run["requests"] - IN_SERIES
            ideal = (IN_SERIES + divided / workers) * latency / 1000
            print(
                f"{workers:2} workers: {run['made']:,} made with {run['requests']:,} requests in {wall:.1f} s,"
                f" ideal {ideal:.1f} s ({wall / ideal:.2f} times), CPU {cpu:.1f} s"
            )


if __name__ == "__main__":
    main()
