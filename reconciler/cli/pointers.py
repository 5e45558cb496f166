"""Point from the words of other tools to the commands and options of this program."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_REMOVAL = "list the entry below `removed:` in a spec, and apply: `reconciler help removal`"
_ADOPTION = "`reconciler import` writes specs for existing groups: `reconciler help adoption`"
_REPLACEMENT = "only a changed immutable field replaces a destination: `reconciler help removal`"
_DRIFT = "every plan reads the account; `reconciler drift` shows changes outside the specs"
_ENVIRONMENTS = "each environment has a project file, named by `--project FILE`: `reconciler help specs`"
_CREDENTIALS = "credentials are variables of the environment: `reconciler help credentials`"
_STATE_PLACE = "`state:` in the project file names the place of the state: `reconciler help state`"
_PLAN = "`reconciler plan` shows all changes, and makes none"
_NO_QUESTIONS = "`apply --auto-approve` asks nothing; a plan never asks"

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "console": "`reconciler plan --verbose` shows the values that specs resolve to",
        "delete": _REMOVAL,
        "destroy": _REMOVAL,
        "diff": _PLAN,
        "dump": _ADOPTION,
        "export": _ADOPTION,
        "force-unlock": "`reconciler state unlock` breaks the lock of a dead run",
        "get": "there are no modules; profiles share settings: `reconciler help specs`",
        "lint": "`reconciler validate` checks specs, `reconciler fmt` formats them",
        "login": _CREDENTIALS,
        "logout": _CREDENTIALS,
        "output": "`reconciler state list --format json` has the ids of all groups and destinations",
        "ping": "`reconciler doctor` checks the credentials and the whole set-up",
        "preview": _PLAN,
        "providers": "`reconciler catalogue list` lists the services of destinations",
        "refresh": _DRIFT,
        "remove": _REMOVAL,
        "rm": _REMOVAL,
        "sync": "`reconciler apply` changes the account to match the specs",
        "taint": _REPLACEMENT,
        "untaint": _REPLACEMENT,
        "up": "`reconciler apply` changes the account to match the specs",
        "version": "`reconciler --version` prints the version",
        "workspace": _ENVIRONMENTS,
    }
)
"""Advice by the name of a command of another tool."""

STATE_COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "import": _ADOPTION,
        "ls": "`reconciler state list` lists the records",
        "mv": "`reconciler state move FROM TO` gives a record another key",
        "pull": _STATE_PLACE,
        "push": _STATE_PLACE,
        "rm": "`reconciler state forget ADDR` drops a record; `forget: true` below `removed:` ends the management",
    }
)
"""Advice by the name of a command of another tool, below `state`."""

OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "against": "only `plan` takes a snapshot; `plan --against FILE --drift-only` shows drift",
        "auto-approve": _NO_QUESTIONS,
        "backend-config": _STATE_PLACE,
        "c": "`--project FILE` names the project file",
        "chdir": "change to that folder, or name the project file: `--project FILE`",
        "config": "`--project FILE` names the project file",
        "destroy": _REMOVAL,
        "dry-run": _PLAN,
        "env": _ENVIRONMENTS,
        "environment": _ENVIRONMENTS,
        "f": "`--project FILE` names the project file",
        "file": "`--project FILE` names the project file",
        "force": _NO_QUESTIONS,
        "generate-config-out": _ADOPTION,
        "input": _NO_QUESTIONS,
        "json": "`--format json` prints one document",
        "lock": "an apply always locks the state: `reconciler help state`",
        "lock-timeout": "a locked state ends the run with exit code 5; run it again later",
        "o": "`plan --out FILE` saves the plan, `--format` chooses the output",
        "output": "`plan --out FILE` saves the plan, `--format` chooses the output",
        "refresh": _DRIFT,
        "refresh-only": _DRIFT,
        "replace": _REPLACEMENT,
        "state": _STATE_PLACE,
        "t": "`--target ADDRESS` limits a run to one entry: `reconciler help scope`",
        "var-file": _ENVIRONMENTS,
        "workspace": _ENVIRONMENTS,
        "y": _NO_QUESTIONS,
        "yes": _NO_QUESTIONS,
    }
)
"""Advice by the name of an option of another tool, without dashes."""
