"""Measure a plan of many unchanged pairs against an emulator in another process. Prints figures, asserts nothing.

.venv/bin/python tests/bench/plan_many.py [PAIRS ...]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

from reconciler.emulator.app import create_app

COMMAND = Path(sys.executable).with_name("reconciler")
ENTRY = """\
  team_{number}:
    destination:
      service: snowflake
      region: AWS_US_EAST_1
      time_zone_offset: "-5"
      config: {{host: acme.snowflakecomputing.com, port: 443, auth: PASSWORD, user: U_{number}, database: T_{number},
        password: {{secret: "env:WAREHOUSE_PASSWORD"}}}}
"""


def create_account(database: Path, pairs: int) -> str:
    """Create an account with this number of declared pairs. Returns its id."""
    app = create_app(database, clock=lambda: datetime.now(UTC))
    for number in range(pairs):
        group = app.dashboard.add_group(f"team_{number}")
        config = {
            "host": "acme.snowflakecomputing.com",
            "port": 443,
            "auth": "PASSWORD",
            "user": f"U_{number}",
            "database": f"T_{number}",
            "password": "unknown",
        }
        app.dashboard.add_destination(
            group, "snowflake", region="AWS_US_EAST_1", time_zone_offset="-5", config=config
        )
    account = app.dashboard.identity.account_id
    app.close()
    return account


def write_project(folder: Path, pairs: int, account: str) -> None:
    """Write the specs of the account, with a hundred pairs per file."""
    (folder / "specs" / "groups").mkdir(parents=True)
    (folder / "specs" / "reconciler.yaml").write_text(
        f"version: 1\naccount_id: {account}\nspecs: [groups/*.yaml]\n"
    )
    for start in range(0, pairs, 100):
        numbers = range(start, min(start + 100, pairs))
        text = "version: 1\ngroups:\n" + "".join(ENTRY.format(number=number) for number in numbers)
        (folder / "specs" / "groups" / f"from_{start:05}.yaml").write_text(text)


def run_plan(folder: Path, url: str) -> tuple[dict[str, object], float, float, float]:
    """Run one plan. Returns its document, CPU seconds, wall seconds and peak memory in MB."""
    environ = {**os.environ, "FIVETRAN_APIKEY": "k", "FIVETRAN_APISECRET": "s", "FIVETRAN_API_URL": url}
    began = time.monotonic()
    with (folder / "plan.json").open("w") as output:
        process = subprocess.Popen(
            [str(COMMAND), "plan", "--format", "json"], cwd=folder, env=environ, stdout=output
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    if status:
        raise SystemExit(f"the plan ended with status {status}")
    document = json.loads((folder / "plan.json").read_text())
    return document, usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


@contextmanager
def serve(database: Path, *options: str) -> Iterator[str]:
    """Serve an account in another process. Yields its address."""
    server = subprocess.Popen(
        [str(COMMAND), "emulate", "--port", "0", "--quiet", "--db", str(database), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield next(
            line.partition("FIVETRAN_API_URL=")[2].strip()
            for line in server.stdout
            if "FIVETRAN_API_URL=" in line
        )
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    """Create and serve an account of each size, and plan twice."""
    for pairs in [int(each) for each in sys.argv[1:]] or [1_000, 5_000]:
        with tempfile.TemporaryDirectory() as directory:
            folder = Path(directory)
            write_project(folder, pairs, create_account(folder / "account.sqlite", pairs))
            with serve(folder / "account.sqlite") as url:
                for _ in range(2):
                    document, cpu, wall, memory = run_plan(folder, url)
                    expected = 1 + 2 * ceil(pairs / 1000) + pairs
                    print(
                        f"{pairs:,} pairs: {document['requests']:,} requests (1 + 2 lists + reads = {expected:,}),"
                        f" CPU {cpu:.1f} s ({1000 * cpu / pairs:.2f} ms per pair), wall {wall:.1f} s,"
                        f" peak {memory:.0f} MB"
                    )


if __name__ == "__main__":
    main()
