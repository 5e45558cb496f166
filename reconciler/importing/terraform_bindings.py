"""Bind the addresses of a Terraform state to live groups: the addresses become keys, the ids find the groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.importing.keys import suggest_key
from reconciler.importing.terraform_address import TerraformAddress
from reconciler.importing.terraform_state import TerraformState
from reconciler.importing.transliteration import transliterate
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.sanitize import escape


@dataclass(frozen=True, slots=True)
class TerraformBindings:
    """Keys by group id, for all groups of a Terraform state that the account has, and findings about the others."""

    keys: Mapping[str, str]
    findings: tuple[Diagnostic, ...] = ()


def bind_addresses(state: TerraformState, group_ids: Collection[str]) -> TerraformBindings:
    """Bind the addresses of a state to the groups of an account. The address of the destination gives the key, else
    that of the group. The keys depend on the state alone, so that an import by parts gives the same keys.

    Raises ReconcilerError if the account has none of the groups.
    """
    missing = sorted(state.groups.keys() - {*group_ids})
    if len(missing) == len(state.groups):
        raise ReconcilerError([_explain_other_account(state)])
    findings = tuple(_explain_missing(state, group_id) for group_id in missing)
    rivals: dict[str, list[str]] = defaultdict(list)
    for group_id in sorted(state.groups):
        rivals[_make_key(state.list_addresses(group_id)[0])].append(group_id)
    keys: dict[str, str] = {}
    used: set[str] = set()
    for key, ids_of_key in sorted(rivals.items(), key=lambda item: len(item[1])):
        for group_id in ids_of_key:
            candidates = _suggest_keys(state, key, group_id, ids_of_key)
            keys[group_id] = next(candidate for candidate in candidates if candidate not in used)
            used.add(keys[group_id])
    return TerraformBindings({id: key for id, key in keys.items() if id not in missing}, findings)


def _make_key(address: TerraformAddress) -> str:
    """Make a key of an address: `module.eu.fivetran_destination.sales["de"]` becomes `eu_sales_de`."""
    return suggest_key("_".join(address.list_parts())) or "group"


def _suggest_keys(state: TerraformState, key: str, group_id: str, rivals: Sequence[str]) -> Iterator[str]:
    """Suggest keys for a group whose address gives the same key as that of its rivals: with its service, if no rival
    has it, else with its id."""
    if len(rivals) == 1:
        yield key
    service = state.get_service(group_id)
    if service and [state.get_service(rival) for rival in rivals].count(service) == 1:
        yield f"{key}_{transliterate(service)}"
    yield f"{key}_{transliterate(group_id)}"
    yield from (f"{key}_{transliterate(group_id)}_{number}" for number in range(2, 1_000_000))


def _explain_missing(state: TerraformState, group_id: str) -> Diagnostic:
    addresses = ", ".join(f"`{escape(str(address))}`" for address in state.list_addresses(group_id))
    return Diagnostic(
        "terraform-id-missing",
        f"the account does not show the group `{escape(group_id)}` of {addresses}",
        help="`terraform plan` shows whether it was deleted; another account needs its own key and import",
    )


def _explain_other_account(state: TerraformState) -> Diagnostic:
    return Diagnostic(
        "terraform-id-missing",
        f"the account has none of the {len(state.groups)} groups in `{escape(state.shown)}`",
        help="use the credentials that Terraform uses for this state",
    )
