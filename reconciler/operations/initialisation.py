"""Begin a project: read the account, and write the files of a new project, for `init`."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from reconciler.api.client import Client
from reconciler.api.errors import ApiError
from reconciler.api.responses import Account
from reconciler.api.retrying import RetryingSender
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.event import Listener
from reconciler.model.project_names import DEFAULT_PROJECT
from reconciler.operations.ci_templates import read_ci_files
from reconciler.operations.schema_files import build_new_files, format_modeline
from reconciler.planning.account import explain_other_account
from reconciler.planning.errors import explain_read
from reconciler.runtime import own_folder
from reconciler.spec.files import display_path
from reconciler.spec.project import read_project
from reconciler.spec.timeouts import TimeoutRules
from reconciler.workspace.connection import open_transport
from reconciler.workspace.project_search import find_project_in
from reconciler.workspace.project_state import ACCOUNT, SANDBOX
from reconciler.workspace.settings import Settings

_NEVER_SPECIAL = re.compile(r"[A-Za-z]+_[A-Za-z0-9_]+")
"""Ids that YAML reads as text without quotes."""

_GITIGNORE = f"""\
# State, keys and sandbox of reconciler on this machine
{own_folder.NAME}/
# Saved plans and secrets
/plan.json
.env
"""


class KeyKind(Enum):
    """Kind of an API key."""

    USER = "key of a user"
    SYSTEM = "system key"
    UNKNOWN = "key of an unknown kind"


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """Facts that show a user which account the credentials belong to."""

    account_id: str
    name: str
    key: KeyKind
    groups: int
    destinations: int


@dataclass(frozen=True, slots=True)
class FileResult:
    """File of a new project, as displayed; `is_new` is false for a file that exists already and is left alone."""

    path: str
    is_new: bool


def find_or_place_project(folder: Path) -> Path:
    """Return the project file of a folder, or the place of a new project file."""
    return find_project_in(folder) or folder / DEFAULT_PROJECT


def read_account(settings: Settings, listener: Listener) -> AccountFacts:
    """Read the account of the credentials.

    Raises ReconcilerError for missing or refused credentials, and if the project file exists and is for another
    account.
    """
    sandbox_file = (settings.directory / settings.project).parent / own_folder.NAME / SANDBOX / ACCOUNT
    with open_transport(settings, TimeoutRules(), sandbox_file) as transport:
        sender = RetryingSender(transport, settings.clock, cancelled=threading.Event(), listener=listener)
        client = Client(sender)
        try:
            account = client.get_account()
            _check_existing_project(settings, account)
            groups, destinations = client.list_groups(), client.list_destinations()
        except ApiError as error:
            raise ReconcilerError([explain_read(error)]) from None
    return AccountFacts(
        account.account_id, account.account_name, get_key_kind(account), len(groups), len(destinations)
    )


def write_project(
    settings: Settings, folder: Path, account: AccountFacts, ci: str | None
) -> tuple[FileResult, ...]:
    """Write the files of a new project in a folder, each whole or not at all; existing files are left alone.

    The project file comes last, so that a project which is found is complete. Raises ReconcilerError.
    """
    results = []
    for file, text in _build_files(settings, settings.directory / folder, account, ci).items():
        shown = display_path(file, settings.directory)
        try:
            results.append(FileResult(shown, _create(file, text)))
        except OSError as error:
            raise ReconcilerError([_explain_unwritable(shown, error)]) from error
    return tuple(results)


def _build_files(
    settings: Settings, folder: Path, account: AccountFacts, ci: str | None
) -> Mapping[Path, str]:
    """Build the texts of all files of a new project."""
    project = settings.directory / settings.project
    schemas = build_new_files(settings)
    pipeline = read_ci_files(ci) if ci is not None else {}
    return {
        **{schema.path: schema.text for schema in schemas},
        folder / ".gitignore": _GITIGNORE,
        **{folder / path: text for path, text in pipeline.items()},
        project: _build_project_text(
            format_modeline(schemas[0].path, project.parent),
            "" if settings.sandbox else account.account_id,
            is_shared=ci is not None,
        ),
    }


def _build_project_text(modeline: str, account_id: str, *, is_shared: bool) -> str:
    """Build the project file. The runs of a pipeline share a state, and a key for its fingerprints."""
    quoted = account_id if _NEVER_SPECIAL.fullmatch(account_id) else json.dumps(account_id)
    lines = [modeline, "version: 1"]
    lines += [f"account_id: {quoted}"] if account_id else ["# account_id: the id that `plan` shows"]
    if is_shared:
        lines += ["state: git:origin/fivetran-state", 'fingerprint_key: {secret: "env:FINGERPRINT_KEY"}']
    return "\n".join([*lines, 'specs: ["groups/*.yaml"]', ""])


def _create(file: Path, text: str) -> bool:
    """Create a file whole, unless something has its name. Returns whether it was created. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.link(temporary, file)  # unlike a rename, it replaces no file
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _check_existing_project(settings: Settings, account: Account) -> None:
    """Check that an existing project file is valid, and not for another account. Raises ReconcilerError."""
    if settings.sandbox or not os.path.lexists(settings.directory / settings.project):
        return
    project = read_project(settings.project, settings.directory)
    if project.content.account_id not in {"", account.account_id}:
        raise ReconcilerError([explain_other_account(project, account.account_id)])


def get_key_kind(account: Account) -> KeyKind:
    """Return the kind of the key that the answer is for."""
    if account.user_id:
        return KeyKind.USER
    return KeyKind.SYSTEM if account.system_key_id else KeyKind.UNKNOWN


def _explain_unwritable(shown: str, error: OSError) -> Diagnostic:
    return Diagnostic(
        "file-unwritable",
        f"cannot write `{shown}`: {error.strerror or error}",
        help="make its folder writable, and run `reconciler init` again: it writes the files that are missing",
    )
