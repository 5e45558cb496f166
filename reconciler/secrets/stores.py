"""Validate references to all secret stores, and open the stores that a run needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.redaction import Redactor
from reconciler.model.value import EXTERNAL_SCHEME, Reference
from reconciler.secrets import aws, azure, command, env, file, gcp, onepassword, plugin, vault
from reconciler.secrets.aws import SecretsManager
from reconciler.secrets.azure import KeyVault
from reconciler.secrets.base import CachedDocuments, Registry, Resolver, StoreContext
from reconciler.secrets.command import Commands
from reconciler.secrets.env import Environment
from reconciler.secrets.file import Files
from reconciler.secrets.gcp import GoogleSecretManager
from reconciler.secrets.onepassword import OnePassword
from reconciler.secrets.vault import Vault

ReferenceValidator: TypeAlias = Callable[[Reference], tuple[str, str] | None]
"""Validates the text of a reference. Returns problem and advice; None if valid."""

BUILT_IN_SCHEMES = ("aws", "azure", "command", "env", EXTERNAL_SCHEME, "file", "gcp", "op", "vault")


def build_validators(commands: Collection[str]) -> dict[str, ReferenceValidator]:
    """Build the validators of all known schemes, including installed packages.

    Opens no store, loads no package.
    """
    plugin_validators: dict[str, ReferenceValidator] = dict.fromkeys(
        plugin.entry_points_by_name(), _accept_any
    )
    return plugin_validators | {
        "aws": aws.validate_reference,
        "azure": azure.validate_reference,
        "command": partial(command.validate_reference, names=commands),
        "env": env.validate_reference,
        EXTERNAL_SCHEME: _validate_external,
        "file": file.validate_reference,
        "gcp": gcp.validate_reference,
        "op": onepassword.validate_reference,
        "vault": vault.validate_reference,
    }


def open_registry(
    schemes: Collection[str],
    commands: Mapping[str, Sequence[str]],
    context: StoreContext,
    *,
    skip_secrets: bool = False,
    redactor: Redactor | None = None,
) -> Registry:
    """Open the stores of the given schemes. With `skip_secrets` no secret is looked up. `redactor` gets every secret.

    Raises ReconcilerError with a finding for every store that cannot be opened. Fivetran's own secrets
    manager is no store here: only Fivetran reads it.
    """
    stores: dict[str, Resolver] = {
        "aws": CachedDocuments(SecretsManager(context).read),
        "azure": CachedDocuments(KeyVault(context).read),
        "command": CachedDocuments(Commands(commands, context).read),
        "env": Environment(context.environ),
        "file": Files(context.directory),
        "gcp": CachedDocuments(GoogleSecretManager(context).read),
        "op": CachedDocuments(OnePassword(context).read),
        "vault": CachedDocuments(Vault(context).read),
    }
    plugins = plugin.entry_points_by_name() if schemes else {}
    findings: list[Diagnostic] = []
    for scheme in sorted(set(schemes) & plugins.keys()):
        try:
            if scheme in BUILT_IN_SCHEMES:
                raise plugin.plugin_error(plugins[scheme][0], "this scheme is built in")
            stores[scheme] = plugin.open_store(plugins[scheme], context)
        except ReconcilerError as error:
            findings += error.diagnostics
    if findings:
        raise ReconcilerError(findings)
    return Registry(stores, skip_secrets=skip_secrets, redactor=redactor)


def _accept_any(reference: Reference) -> None:
    return None


def _validate_external(reference: Reference) -> tuple[str, str] | None:
    if reference.confidential:
        return None
    return "a value that Fivetran itself fetches is never shown", "write `secret:` instead of `value:`"
