"""Measure an unchanged plan and a first apply beside Terraform with Fivetran's provider, on one emulator with latency.

    .venv/bin/python tests/bench/terraform_beside.py PROVIDER [--pairs 500 1000] [--latency-ms 100]

PROVIDER is the built program `terraform-provider-fivetran`; `terraform` is found on the path. Each tool applies the
same pairs to an account of its own and then plans without a change. The ratio is that of the reconciler to Terraform:
below 1 the reconciler needs less. Memory is that of the largest process. Prints figures, asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import requests
from many_pairs import (
    COMMAND,
    Measured,
    build_environ,
    create_account,
    measure,
    serve,
    write_project,
)

CONFIGURATION = """\
terraform {{
  required_providers {{ fivetran = {{ source = "fivetran/fivetran" }} }}
}}
provider "fivetran" {{}}
resource "fivetran_group" "team" {{
  count = {pairs}
  name  = "team_${{count.index}}"
}}
resource "fivetran_destination" "team" {{
  count            = {pairs}
  group_id         = fivetran_group.team[count.index].id
  service          = "snowflake"
  region           = count.index % 100 == 0 ? "GCP_EUROPE_WEST3" : "AWS_US_EAST_1"
  time_zone_offset = "-5"
  run_setup_tests  = false
  config {{
    host     = "acme.snowflakecomputing.com"
    port     = 443
    auth     = "PASSWORD"
    role     = "FIVETRAN_ROLE"
    user     = "U_${{count.index}}"
    database = "T_${{count.index}}"
    password = "correct horse"
  }}
}}
"""
CLI_CONFIGURATION = """\
disable_checkpoint = true
provider_installation {{
  dev_overrides {{ "fivetran/fivetran" = {folder} }}
  direct {{}}
}}
"""
APPLY, PLAN = "first apply", "unchanged plan"


def count_requests(url: str) -> int:
    """Count the requests that an emulator has had so far."""
    history = requests.get(f"{url.removesuffix('/v1')}/_emulator/history", timeout=60).json()
    return max((entry["sequence"] for entry in history["history"]), default=0)


def measure_each(
    commands: Mapping[str, tuple[str, ...]], folder: Path, environ: Mapping[str, str], url: str
) -> dict[str, tuple[int, Measured]]:
    """Run commands in turn. Returns the requests and costs of each."""
    results = {}
    for name, command in commands.items():
        before = count_requests(url)
        measured = measure(command, folder, environ)
        results[name] = (count_requests(url) - before, measured)
    return results


def run_reconciler(folder: Path, pairs: int, latency: str) -> dict[str, tuple[int, Measured]]:
    """Apply and plan with the reconciler."""
    folder.mkdir()
    account = create_account(folder / "account.sqlite", 0)
    write_project(folder, pairs, account, per_file=50)
    commands = {
        APPLY: (*COMMAND, "apply", "--auto-approve", "--format", "json"),
        PLAN: (*COMMAND, "plan", "--format", "json"),
    }
    with serve(folder / "account.sqlite", "--latency", latency) as url:
        return measure_each(commands, folder, build_environ(url), url)


def run_terraform(folder: Path, pairs: int, latency: str, provider: Path) -> dict[str, tuple[int, Measured]]:
    """Apply and plan with Terraform."""
    (folder / "provider").mkdir(parents=True)
    shutil.copy(provider, folder / "provider" / "terraform-provider-fivetran")
    (folder / "main.tf").write_text(CONFIGURATION.format(pairs=pairs))
    override = CLI_CONFIGURATION.format(folder=json.dumps(str(folder / "provider")))
    (folder / "cli.tfrc").write_text(override)
    create_account(folder / "account.sqlite", 0)
    commands = {
        APPLY: ("terraform", "apply", "-auto-approve", "-no-color"),
        PLAN: ("terraform", "plan", "-no-color"),
    }
    with serve(folder / "account.sqlite", "--latency", latency) as url:
        environ = {
            **build_environ(url),
            "TF_CLI_CONFIG_FILE": str(folder / "cli.tfrc"),
            "TF_IN_AUTOMATION": "1",
        }
        return measure_each(commands, folder, environ, url)


def print_beside(name: str, pairs: int, ours: tuple[int, Measured], theirs: tuple[int, Measured]) -> None:
    """Print the figures of both tools for one command, and their ratios."""
    rows = [
        ("requests", ours[0], theirs[0]),
        ("CPU s", ours[1].cpu, theirs[1].cpu),
        ("wall s", ours[1].wall, theirs[1].wall),
        ("peak MB", ours[1].memory, theirs[1].memory),
    ]
    for label, own, other in rows:
        print(
            f"{pairs:5,} pairs, {name:14} {label:8} reconciler {own:8,.1f}  terraform {other:8,.1f}"
            f"  ratio {own / other:.2f}",
            flush=True,
        )


def main() -> None:
    """Measure both tools at each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("provider", type=Path)
    parser.add_argument("--pairs", type=int, nargs="+", default=[500, 1_000])
    parser.add_argument("--latency-ms", type=int, default=100)
    options = parser.parse_args()
    latency = f"{options.latency_ms}ms"
    for pairs in options.pairs:
        with tempfile.TemporaryDirectory() as directory:
            ours = run_reconciler(Path(directory, "reconciler"), pairs, latency)
            theirs = run_terraform(Path(directory, "terraform"), pairs, latency, options.provider.resolve())
            for name in (PLAN, APPLY):
                print_beside(name, pairs, ours[name], theirs[name])


if __name__ == "__main__":
    main()
