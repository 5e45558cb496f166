"""Examples and exit codes of every command, for its help page. Names are those below the program: `state move`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from reconciler.cli.exit import ExitCode

_EXAMPLES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "": {
            "reconciler plan --sandbox": "Try the program without an account",
            "reconciler init": "Begin a project for your account",
            "reconciler plan --out dev.plan": "Show what would change, and save the plan",
            "reconciler apply dev.plan": "Apply exactly the saved plan",
        },
        "init": {
            "reconciler init": "Begin a project in this folder",
            "reconciler init --yes --ci github": "Also write a pipeline, without a question",
            "reconciler init team-a --sandbox": "Begin a project in a folder, for the embedded Fivetran",
        },
        "import": {
            "reconciler import --dry-run": "Show the specs of all groups that have none",
            "reconciler import sales 'marketing_*'": "Write the specs of some groups",
            "reconciler import --layout one --names": "Write one file, with the names of links and agents",
            "terraform show -json | reconciler import --from-terraform -": "Take the groups of a Terraform state over",
        },
        "validate": {
            "reconciler validate": "Check the project, offline",
            "reconciler validate specs/groups/sales.yaml --strict": "Show the findings of one file",
            "reconciler validate --online": "Also check whether the specs fit the account",
            "reconciler validate --format sarif > specs.sarif": "Write the findings for a code scanner",
        },
        "doctor": {
            "reconciler doctor": "Check the whole set-up",
            "reconciler doctor --verbose": "Show every check, also if it passed",
            "reconciler doctor --write-check": "Also try a write to the state",
        },
        "plan": {
            "reconciler plan": "Show what apply would change",
            "reconciler plan --out dev.plan": "Save the plan, for a review before `apply dev.plan`",
            "reconciler plan --target sales --verbose": "Plan one group with its destination, in detail",
            "reconciler plan --changed-since origin/main --format markdown": "Write the comment of a pull request",
        },
        "apply": {
            "reconciler apply": "Show the plan, ask, and apply it",
            "reconciler apply dev.plan": "Apply exactly a saved plan",
            "reconciler apply --target sales --auto-approve": "Apply one group with its destination, and do not ask",
            'reconciler apply --allow deletes=3 --reason "Old teams left"': "Raise a limit for this run",
        },
        "show": {
            "reconciler show dev.plan": "Show a saved plan",
            "reconciler show dev.plan --format html > plan.html": "Write a page for the review of a large plan",
            "reconciler show dev.plan --format terraform-json": "Pass the plan to a tool for Terraform plans",
        },
        "test": {
            "reconciler test": "Test all destinations of the specs",
            "reconciler test sales 'marketing_*'": "Test some destinations",
            "reconciler test --budget 50 --deadline 20m": "Test the 50 destinations that need it most",
            "reconciler test --format junit > tests.xml": "Write the results for a CI system",
        },
        "trust": {
            "reconciler trust list": "List the servers of all destinations",
            "reconciler trust pin sales": "Write a server that waits for an approval into the spec",
        },
        "trust pin": {
            "reconciler trust pin destination.sales": "Pin the server that waits for an approval",
            "reconciler trust pin sales SHA256:a1B2c3": "Pin one of several servers",
            "reconciler trust pin sales --dry-run": "Show the difference of the file only",
        },
        "trust list": {
            "reconciler trust list": "List the servers of all destinations",
            "reconciler trust list 'sales*' --expiring 30d": "List what expires within 30 days",
            "reconciler trust list --format json": "Write the servers for a program",
        },
        "drift": {
            "reconciler drift": "Show changes made outside the specs",
            "reconciler drift --detailed-exitcode --quiet": "Check once a night whether anything drifted",
            "reconciler drift --budget 450": "Read a part of a large account every hour",
            "reconciler drift --accept sales": "Write the drift of one entry into its spec",
        },
        "snapshot": {
            "reconciler snapshot --out account.yaml": "Write the account to a file",
            "reconciler snapshot --out account.yaml --with trust --force": "Also write approvals, over an older file",
            "reconciler plan --against account.yaml": "Plan against the file, without credentials",
        },
        "graph": {
            "reconciler graph": "Draw all entries with their planned changes",
            "reconciler graph --offline > groups.mmd": "Draw the specs without the account",
            "reconciler graph --target 'sales*'": "Draw some entries",
        },
        "state": {
            "reconciler state list": "List what the state records",
            "reconciler state show sales": "Show the record of an entry",
            "reconciler state unlock": "Break the lock of a run that died",
        },
        "state list": {
            "reconciler state list": "List addresses, ids and marks",
            "reconciler state list --format tfvars > groups.tfvars": "Pass the ids of groups to Terraform",
        },
        "state show": {
            "reconciler state show sales": "Show the records of a group and its destination",
            "reconciler state show destination.sales --format json": "Write one record for a program",
        },
        "state move": {
            "reconciler state move sales sales_eu": "Move a group and its destination to another key",
            "reconciler state move sales sales_eu --format json": "Write the result for a program",
            "reconciler state move --to ../emea/reconciler.yaml sales": "Hand a group over to another project",
        },
        "state forget": {
            "reconciler state forget sales": "Forget a group and its destination, after a question",
            "reconciler state forget destination.sales --auto-approve": "Forget a destination without a question",
        },
        "state migrate": {
            "reconciler state migrate --to git:origin/fivetran-state": "Move the state to a branch",
            "reconciler state migrate --to s3://acme-state/fivetran.json": "Move the state to a bucket",
        },
        "state rekey": {
            "reconciler state rekey --dry-run": "Show which secrets could not be compared afterwards",
            "reconciler state rekey": "Compute all fingerprints with the new key",
        },
        "state unlock": {
            "reconciler state unlock": "Break the lock of a dead run, after a question",
            "reconciler state unlock --auto-approve": "Break it without a question",
        },
        "catalogue": {
            "reconciler catalogue list": "List all services",
            "reconciler catalogue show snowflake": "Show the fields of a service",
        },
        "catalogue list": {
            "reconciler catalogue list": "List all services",
            "reconciler catalogue list --format json": "Write the services for a program",
        },
        "catalogue show": {
            "reconciler catalogue show snowflake": "Show the fields of a service",
            "reconciler catalogue show big_query --example": "Print a spec to start from",
            "reconciler catalogue show databricks --format json": "Write the fields for a program",
        },
        "schema": {
            "reconciler schema --write": "Write the schemas for editors beside the project file",
            "reconciler schema --check": "Check that the written schemas are current",
            "reconciler schema project": "Print the schema of the project file",
        },
        "fmt": {
            "reconciler fmt": "Format all files of the project",
            "reconciler fmt --check --verbose": "Show what would change, and change nothing",
            "reconciler fmt specs/groups/sales.yaml": "Format one file",
        },
        "explain": {
            "reconciler explain": "List all codes of errors and warnings",
            "reconciler explain unknown-field": "Explain a code",
            "reconciler explain 'error[bad-key]'": "Explain a code as it was printed",
        },
        "emulate": {
            "reconciler emulate --db account.db": "Serve an account that is kept in a file",
            "reconciler emulate --seed account.yaml -- reconciler plan": "Plan against the account of a file",
            "reconciler emulate --db account.db --list": "List the content of an account",
            "reconciler emulate --fault 'POST /v1/groups 500' --latency 80ms": "Rehearse outages and slow answers",
        },
        "completion": {
            "reconciler completion bash": "Print the script for bash",
            "reconciler completion fish | source": "Complete commands in this session of fish",
        },
        "help": {
            "reconciler help": "List all topics",
            "reconciler help secrets": "Read a guide",
            "reconciler help specs --no-pager": "Print a guide without a pager",
        },
    }
)

_QUICK = (ExitCode.OK, ExitCode.FAILED, ExitCode.USAGE, ExitCode.INTERRUPTED)
_USUAL = (*_QUICK, ExitCode.BUG)
_STATE = (*_USUAL, ExitCode.LOCKED)

_EXIT_CODES: Mapping[str, Sequence[ExitCode]] = MappingProxyType(
    {
        "": tuple(ExitCode),
        "init": _USUAL,
        "import": (*_USUAL, ExitCode.REFUSED),
        "validate": (*_USUAL, ExitCode.REFUSED),
        "doctor": _USUAL,
        "plan": (*_USUAL, ExitCode.CHANGES, ExitCode.REFUSED),
        "apply": tuple(code for code in ExitCode if code is not ExitCode.CHANGES),
        "show": (*_USUAL, ExitCode.PLAN_REFUSED),
        "test": (*_STATE, ExitCode.REFUSED, ExitCode.INCOMPLETE, ExitCode.AWAITING_APPROVAL),
        "trust": _USUAL,
        "trust pin": _USUAL,
        "trust list": _USUAL,
        "drift": (*_USUAL, ExitCode.CHANGES, ExitCode.REFUSED),
        "snapshot": _USUAL,
        "graph": (*_USUAL, ExitCode.REFUSED),
        "state": _STATE,
        "state list": _USUAL,
        "state show": _USUAL,
        "state move": _STATE,
        "state forget": _STATE,
        "state migrate": _STATE,
        "state rekey": _STATE,
        "state unlock": _STATE,
        "catalogue": _QUICK,
        "catalogue list": _QUICK,
        "catalogue show": _QUICK,
        "schema": _USUAL,
        "fmt": _USUAL,
        "explain": _QUICK,
        "emulate": _USUAL,
        "completion": _QUICK,
        "help": _QUICK,
    }
)


def list_examples(name: str) -> Sequence[tuple[str, str]]:
    """List the examples of a command: command lines, each with its purpose."""
    return tuple(_EXAMPLES.get(name, {}).items())


def list_exit_codes(name: str) -> Sequence[ExitCode]:
    """List the exit codes that a command can return, in ascending order."""
    return sorted(_EXIT_CODES.get(name, ()))
