"""All stores there are: what their references look like, and opening those that a run needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.value import EXTERNAL, Reference
from reconciler.secrets import aws, command, env, plugin, vault
from reconciler.secrets.aws import SecretsManager
from reconciler.secrets.base import Documents, Registry, Resolver, Surroundings
from reconciler.secrets.command import Commands
from reconciler.secrets.env import Environment
from reconciler.secrets.file import Files
from reconciler.secrets.vault import Vault

Rule: TypeAlias = Callable[[Reference], tuple[str, str] | None]
"""What is wrong with a reference as far as its text tells, and what to do."""

BUILT_IN = ("aws", "command", "env", EXTERNAL, "file", "vault")


def rules(commands: Collection[str]) -> dict[str, Rule]:
    """A rule for every known scheme, those of installed packages included. Asks no store and loads no package."""
    others: dict[str, Rule] = dict.fromkeys(plugin.installed(), _anything)
    return others | {
        "aws": aws.flaw,
        "command": partial(command.flaw, names=commands),
        "env": env.flaw,
        EXTERNAL: _external,
        "file": _anything,
        "vault": vault.flaw,
    }


def open_registry(
    used: Collection[str],
    commands: Mapping[str, Sequence[str]],
    surroundings: Surroundings,
    *,
    withholds: bool = False,
) -> Registry:
    """Stores for the schemes that are used. Raises ReconcilerError with every one that cannot be opened. With
    `withholds` no secret is looked up.

    Fivetran's own secrets manager is none of them: nobody but Fivetran reads it.
    """
    stores: dict[str, Resolver] = {
        "aws": Documents(SecretsManager(surroundings).read),
        "command": Documents(Commands(commands, surroundings).read),
        "env": Environment(surroundings.environ),
        "file": Files(surroundings.directory),
        "vault": Documents(Vault(surroundings).read),
    }
    offered = plugin.installed() if used else {}
    findings: list[Diagnostic] = []
    for scheme in sorted(set(used) & offered.keys()):
        try:
            if scheme in BUILT_IN:
                raise plugin.broken(offered[scheme][0], "this scheme is built in")
            stores[scheme] = plugin.open_store(offered[scheme], surroundings)
        except ReconcilerError as error:
            findings += error.diagnostics
    if findings:
        raise ReconcilerError(findings)
    return Registry(stores, withholds=withholds)


def _anything(reference: Reference) -> None:
    return None


def _external(reference: Reference) -> tuple[str, str] | None:
    if reference.confidential:
        return None
    return "what Fivetran fetches by itself is never shown", "write `secret:` instead of `value:`"
