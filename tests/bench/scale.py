"""Measure validate, plan, a plan of changed entries, import and first apply at several sizes, and their slopes.

    .venv/bin/python tests/bench/scale.py [STEP ...] [--pairs 1000 3000 10000] [--per-file 50]

A step is `validate`, `plan`, `changed`, `import` or `apply`; the default is all. Beside the plan stands the cost of one
bare GET with requests, since the machine decides both. Prints figures, asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
from collections.abc import Callable
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

BARE_READS = 1_000
CHANGED = 3
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.invalid")


def run(folder: Path, url: str, *arguments: str) -> Measured:
    """Run a command of the reconciler against an account."""
    return measure((*COMMAND, *arguments), folder, build_environ(url))


def measure_bare_get(url: str) -> float:
    """Measure the CPU milliseconds of one GET with requests on a kept connection."""
    session = requests.Session()
    session.auth = ("k", "s")
    before = resource.getrusage(resource.RUSAGE_SELF)
    for number in range(BARE_READS):
        session.get(f"{url}/destinations/group_{number}", timeout=60).json()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) / BARE_READS


def run_validate(folder: Path, pairs: int, url: str) -> str:
    """Validate the project."""
    return describe(run(folder, url, "validate"), pairs)


def run_plan(folder: Path, pairs: int, url: str) -> str:
    """Plan without a change, and compare the cost with a bare GET."""
    measured = run(folder, url, "plan", "--secrets", "skip")
    as_json = run(folder, url, "plan", "--secrets", "skip", "--format", "json")
    requests_sent = json.loads(as_json.output)["requests"]
    bare = measure_bare_get(url)
    return (
        f"{describe(measured, pairs)} (as JSON {as_json.memory:.0f} MB), {requests_sent:,} requests"
        f" (a bare GET takes {bare:.2f} ms)"
    )


def run_changed(folder: Path, pairs: int, url: str) -> str:
    """Plan the entries that changed since a commit, three in all."""
    for arguments in (("init", "-q"), ("add", "specs"), ("commit", "-q", "-m", "before"), ("tag", "before")):
        subprocess.run([*GIT, *arguments], cwd=folder, check=True)
    for number in range(CHANGED):
        change_entry(folder, number * (pairs // CHANGED))
    validated = run(folder, url, "validate")
    measured = run(folder, url, "plan", "--secrets", "skip", "--changed-since", "before", "--format", "json")
    requests_sent = json.loads(measured.output)["requests"]
    ratio = measured.cpu / validated.cpu
    return f"{describe(measured, pairs)}, {ratio:.2f} times validate, {requests_sent} requests"


def change_entry(folder: Path, number: int) -> None:
    """Change the user of one entry."""
    for file in sorted((folder / "specs" / "groups").iterdir()):
        text = file.read_text()
        if f"user: U_{number}," in text:
            file.write_text(text.replace(f"user: U_{number},", f"user: V_{number},"))


def run_import(folder: Path, pairs: int, url: str) -> str:
    """Import the whole account into an empty project."""
    empty = folder / "empty"
    (empty / "specs").mkdir(parents=True)
    account = json.loads(run(folder, url, "plan", "--secrets", "skip", "--format", "json").output)["account"][
        "id"
    ]
    (empty / "specs" / "reconciler.yaml").write_text(
        f"version: 1\naccount_id: {account}\nspecs: ['groups/*.yaml']\n"
    )
    return describe(run(empty, url, "import"), pairs)


def run_apply(folder: Path, pairs: int, url: str) -> str:
    """Apply all pairs to an empty account, and apply one change after it. Prints the size of the state."""
    first = run(folder, url, "apply", "--auto-approve", "--format", "json")
    change_entry(folder, 0)
    again = run(folder, url, "apply", "--auto-approve", "--format", "json")
    size = (folder / "specs" / ".reconciler" / "state.json").stat().st_size
    return (
        f"{describe(first, pairs)}; one more change: CPU {again.cpu:.1f} s;"
        f" state {size / pairs:,.0f} bytes per pair"
    )


def describe(measured: Measured, pairs: int) -> str:
    """Describe the costs of a run."""
    return (
        f"CPU {measured.cpu:.2f} s ({1000 * measured.cpu / pairs:.2f} ms per pair),"
        f" wall {measured.wall:.1f} s, peak {measured.memory:.0f} MB"
    )


STEPS: dict[str, tuple[Callable[[Path, int, str], str], bool]] = {
    "validate": (run_validate, True),
    "plan": (run_plan, True),
    "changed": (run_changed, True),
    "import": (run_import, True),
    "apply": (run_apply, False),
}
"""Steps, and whether their account has the pairs before."""


def main() -> None:
    """Measure each step at each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, nargs="+", default=[1_000, 3_000, 10_000])
    parser.add_argument("--per-file", type=int, default=50)
    parser.add_argument("steps", nargs="*", default=list(STEPS))
    options = parser.parse_args()
    for step in options.steps:
        measure_step, has_pairs = STEPS[step]
        for pairs in options.pairs:
            with tempfile.TemporaryDirectory() as directory:
                folder = Path(directory)
                account = create_account(folder / "account.sqlite", pairs if has_pairs else 0)
                write_project(folder, pairs, account, per_file=options.per_file)
                with serve(folder / "account.sqlite") as url:
                    print(f"{step:8} {pairs:6,} pairs: {measure_step(folder, pairs, url)}", flush=True)


if __name__ == "__main__":
    main()
