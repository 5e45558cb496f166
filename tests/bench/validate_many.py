"""Measure `validate` of 10,000 groups in 200 files: CPU seconds and peak memory. Prints figures, asserts nothing.

.venv/bin/python tests/bench/validate_many.py [GROUPS] [FILES] [policies]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROFILE = """\
version: 1
profiles:
  warehouse:
    service: snowflake
    region: AWS_US_EAST_1
    time_zone_offset: "-5"
    config: {host: acme.snowflakecomputing.com, port: 443, auth: KEY_PAIR, role: FIVETRAN_ROLE, user: U, database: D}
"""
POLICIES = """\
policies:
  - allowed-regions: [AWS_US_EAST_1, "GCP_*"]
  - key-pattern: "team_[0-9]+"
  - require: {config.database: "*", time_zone_offset: "-5"}
    where: {key: "team_*", service: snowflake}
  - forbid: {config.role: ACCOUNTADMIN}
  - forbid-blanket-trust: [certificates, fingerprints]
"""
ENTRY = """\
  team_{number}:
    name: Team {number}
    destination:
      profile: warehouse
      config:
        database: TEAM_{number}
        user: FIVETRAN_{number}
        private_key: {{secret: "env:TEAM_{number}_KEY"}}
      setup_tests: {{run: true, on_failure: fail}}
"""


def write_project(folder: Path, groups: int, files: int, policies: str) -> None:
    """Write a project with this number of groups, spread evenly over this number of files."""
    (folder / "specs" / "groups").mkdir(parents=True)
    (folder / "specs" / "reconciler.yaml").write_text(
        f"version: 1\nspecs: [profiles.yaml, groups/*.yaml]\n{policies}"
    )
    (folder / "specs" / "profiles.yaml").write_text(PROFILE)
    for file in range(files):
        numbers = range(file, groups, files)
        text = "version: 1\ngroups:\n" + "".join(ENTRY.format(number=number) for number in numbers)
        (folder / "specs" / "groups" / f"part_{file:03}.yaml").write_text(text)


def main() -> None:
    """Validate three times and print each run."""
    groups = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    files = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    policies = POLICIES if "policies" in sys.argv else ""
    with tempfile.TemporaryDirectory() as folder:
        write_project(Path(folder), groups, files, policies)
        for run in range(3):
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            done = subprocess.run(
                [str(Path(sys.executable).with_name("reconciler")), "validate"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=True,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
            print(
                f"run {run + 1}: {done.stdout.strip()} CPU {cpu:.2f} s, wall {time.monotonic() - began:.2f} s,"
                f" peak of any run {after.ru_maxrss / 1024:.0f} MB"
            )


if __name__ == "__main__":
    main()
