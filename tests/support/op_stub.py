"""Install a program `op` that behaves like 1Password's: arguments, exit code, and messages of version 2."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OP_TOKEN = "ops_token-of-the-service-account-of-the-tests"
_SOURCE = Path(__file__)


@dataclass(frozen=True)
class InstalledOp:
    """Folder with the program. `items` are fields by `VAULT/ITEM`; a section is a mapping of fields."""

    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a client with the right token."""
        return {"PATH": str(self.folder), "OP_SERVICE_ACCOUNT_TOKEN": OP_TOKEN}

    @property
    def calls(self) -> list[str]:
        """The arguments of all calls, in their order."""
        log = self.folder / "calls"
        return log.read_text().splitlines() if log.exists() else []


def install_op(folder: Path, items: Mapping[str, Mapping[str, Any]], *, behaviour: str = "") -> InstalledOp:
    """Install the program. `behaviour` is Python code that runs before a valid request is answered."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "items.json").write_text(json.dumps(items))
    program = folder / "op"
    program.write_text(
        f"#!{sys.executable}\nimport os, sys, time\nsys.path.insert(0, {str(_SOURCE.parent)!r})\n"
        f"import op_stub\nop_stub.record({str(folder)!r})\n{behaviour}\nop_stub.answer({str(folder)!r})\n"
    )
    program.chmod(0o755)
    return InstalledOp(folder)


def record(folder: str) -> None:
    """Write the arguments of a call into the log."""
    with (Path(folder) / "calls").open("a") as log:
        log.write(" ".join(sys.argv[1:]) + "\n")


def answer(folder: str) -> None:
    """Answer a call of the program, and end the process."""
    import os

    arguments = [argument for argument in sys.argv[1:] if argument != "--no-newline"]
    if len(arguments) != 2 or arguments[0] != "read":
        fail(f'unknown command "{arguments[0]}" for "op"')
    reference = arguments[1]
    token = os.environ.get("OP_SERVICE_ACCOUNT_TOKEN")
    start = f"could not read secret '{reference}': "
    if not token:
        fail(
            start
            + "error initializing client: You are not currently signed in. Please run `op signin --help` for"
            " instructions"
        )
    if not token.startswith("ops_"):
        fail(
            start
            + "error initializing client: Validation: (failed to session.DecodeSACredentials), Server: (failed"
            " to DecodeSACredentials), illegal base64 data at input byte 12"
        )
    if token != OP_TOKEN:
        fail(start + "(401) Unauthorized: invalid bearer token")
    vault, item, *path = reference.removeprefix("op://").partition("?")[0].split("/")
    items = json.loads((Path(folder) / "items.json").read_text())
    place = f"could not get item {vault}/{item}: "
    if not any(name.startswith(f"{vault}/") for name in items):
        fail(
            start
            + place
            + f'"{vault}" isn\'t a vault in this account. Specify the vault with its ID or name.'
        )
    if f"{vault}/{item}" not in items:
        fail(
            start
            + place
            + f'"{item}" isn\'t an item in the "{vault}" vault. Specify the item with its UUID, name,'
            " or domain."
        )
    value = items[f"{vault}/{item}"]
    for name in path:
        if not isinstance(value, dict) or name not in value:
            fail(start + f"item '{vault}/{item}' does not have a field '{path[-1]}'")
        value = value[name]
    sys.stdout.write(value if "--no-newline" in sys.argv else f"{value}\n")


def fail(message: str) -> None:
    """Print an error as the program does, and end the process."""
    sys.stderr.write(f"[ERROR] 2026/01/02 03:04:05 {message}\n")
    raise SystemExit(1)
