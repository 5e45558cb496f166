"""Projects and accounts with many pairs for the benchmarks, and the measurement of one command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reconciler.emulator.app import create_app
from reconciler.emulator.seed import Seed

COMMAND = (sys.executable, "-m", "reconciler")
REGIONS = ("AWS_US_EAST_1", "GCP_EUROPE_WEST3")
_PROJECT = """\
version: 1
account_id: {account}
specs: [profiles.yaml, "groups/*.yaml"]
overrides: [overrides.yaml]
state: {state}
budget: {{requests_per_hour: {requests}}}
"""
REQUESTS_PER_HOUR = 1_000_000
"""Budget of the account: with that of a paid account, 20,000, a first apply of 10,000 pairs would wait for hours."""
_PROFILES = """\
version: 1
profiles:
  warehouse:
    service: snowflake
    region: AWS_US_EAST_1
    time_zone_offset: "-5"
    setup_tests: {run: false}
    config: {host: acme.snowflakecomputing.com, port: 443, auth: PASSWORD, role: FIVETRAN_ROLE}
"""
_ENTRY = """\
  team_{number}:
    destination:
      profile: warehouse
      config: {{user: U_{number}, database: T_{number}, password: {{secret: "env:WAREHOUSE_PASSWORD"}}}}
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Costs of one run of a command: CPU seconds of user and system, wall seconds, peak memory in MB."""

    output: str
    cpu: float
    wall: float
    memory: float


def write_project(
    folder: Path, pairs: int, account: str, *, per_file: int, state: str = ".reconciler/state.json"
) -> None:
    """Write specs with a profile, and overrides for every hundredth pair. `per_file` is the number of pairs of a file,
    1 for a file per group."""
    groups = folder / "specs" / "groups"
    groups.mkdir(parents=True)
    project = _PROJECT.format(account=account, state=json.dumps(state), requests=REQUESTS_PER_HOUR)
    (folder / "specs" / "reconciler.yaml").write_text(project)
    (folder / "specs" / "profiles.yaml").write_text(_PROFILES)
    for start in range(0, pairs, per_file):
        entries = (_ENTRY.format(number=number) for number in range(start, min(start + per_file, pairs)))
        (groups / f"from_{start:05}.yaml").write_text("version: 1\ngroups:\n" + "".join(entries))
    moved = (
        f"  team_{number}: {{destination: {{region: {REGIONS[1]}}}}}\n" for number in range(0, pairs, 100)
    )
    (folder / "specs" / "overrides.yaml").write_text("version: 1\ngroups:\n" + "".join(moved))


def create_account(database: Path, pairs: int) -> str:
    """Create an account with this number of the declared pairs. Returns its id."""
    app = create_app(database, clock=lambda: datetime.now(UTC))
    groups = [
        {"id": f"group_{number}", "name": f"team_{number}", "destination": _describe_destination(number)}
        for number in range(pairs)
    ]
    app.load_seed(Seed.model_validate({"version": 1, "groups": groups}))
    account = app.dashboard.identity.account_id
    app.close()
    return account


def _describe_destination(number: int) -> dict[str, object]:
    config = {
        "host": "acme.snowflakecomputing.com",
        "port": 443,
        "auth": "PASSWORD",
        "role": "FIVETRAN_ROLE",
        "user": f"U_{number}",
        "database": f"T_{number}",
        "password": "unknown",
    }
    return {
        "service": "snowflake",
        "region": REGIONS[number % 100 == 0],
        "time_zone_offset": "-5",
        "setup_status": "connected",
        "config": config,
    }


@contextmanager
def serve(database: Path, *options: str) -> Iterator[str]:
    """Serve an account in another process. Yields its address."""
    server = subprocess.Popen(
        [
            *(*COMMAND, "emulate", "--port", "0", "--quiet", "--db", str(database)),
            *("--quota", f"off,requests={REQUESTS_PER_HOUR}", *options),
        ],
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


def build_environ(url: str) -> dict[str, str]:
    """Build the environment of a run against an emulated account."""
    return {
        **os.environ,
        "FIVETRAN_APIKEY": "k",
        "FIVETRAN_APISECRET": "s",
        "FIVETRAN_API_URL": url,
        "WAREHOUSE_PASSWORD": "correct horse",
    }


# A process that starts another one hands its own peak memory down to it, so a small one starts what is measured.
_LAUNCHER = """
import json, os, subprocess, sys, time
began = time.monotonic()
process = subprocess.Popen(sys.argv[1:], stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
figures = [status, usage.ru_utime + usage.ru_stime, time.monotonic() - began, usage.ru_maxrss / 1024]
print(json.dumps(figures), file=sys.stderr)
"""


def measure(arguments: tuple[str, ...], folder: Path, environ: Mapping[str, str]) -> Measured:
    """Run a command that must succeed, and measure it with its children."""
    with (folder / "output.txt").open("w+") as output:
        launched = subprocess.run(
            [sys.executable, "-c", _LAUNCHER, *arguments],
            cwd=folder,
            env=environ,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    status, cpu, wall, memory = json.loads(launched.stderr)
    if status:
        raise SystemExit(f"`{' '.join(arguments)}` ended with status {status}")
    return Measured((folder / "output.txt").read_text(), cpu, wall, memory)
