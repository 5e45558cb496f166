"""Bind the addresses of a Terraform state to live groups: the addresses become keys, the ids find the groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.importing.keys import suggest_key
from reconciler.importing.model import LiveGroup
from reconciler.importing.terraform_address import TerraformAddress
from reconciler.importing.terraform_state import TerraformState
from reconciler.importing.transliteration import transliterate
from reconciler.kinds.destination import read_service
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.sanitize import escape


@dataclass(frozen=True, slots=True)
class TerraformBindings:
    """Keys by group id, for all groups of a Terraform state that the account has, and findings about the others."""

    keys: Mapping[str, str]
    findings: tuple[Diagnostic, ...] = ()


def bind_addresses(state: TerraformState, groups: Sequence[LiveGroup]) -> TerraformBindings:
    """Bind the addresses of a state to live groups. The address of the destination gives the key, else that of the
    group.

    Raises ReconcilerError if the account has none of the groups.
    """
    live = {group.id: group for group in groups}
    missing = sorted(state.group_ids - live.keys())
    findings = tuple(_explain_missing(state, group_id) for group_id in missing)
    if len(missing) == len(state.group_ids):
        raise ReconcilerError([_explain_other_account(state)])
    rivals: dict[str, list[LiveGroup]] = defaultdict(list)
    for group_id in sorted(state.group_ids & live.keys()):
        rivals[_make_key(state.list_addresses(group_id)[0])].append(live[group_id])
    keys: dict[str, str] = {}
    for key, groups_of_key in sorted(rivals.items(), key=lambda item: len(item[1])):
        for group in groups_of_key:
            used = {*keys.values()}
            candidates = _suggest_keys(key, group, groups_of_key)
            keys[group.id] = next(candidate for candidate in candidates if candidate not in used)
    return TerraformBindings(keys, findings)


def _make_key(address: TerraformAddress) -> str:
    """Make a key of an address: `module.eu.fivetran_destination.sales["de"]` becomes `eu_sales_de`."""
    return suggest_key("_".join(address.list_parts())) or "group"


def _suggest_keys(key: str, group: LiveGroup, rivals: Sequence[LiveGroup]) -> Iterator[str]:
    """Suggest keys for a group whose address gives the same key as that of its rivals: with its service, if no rival
    has it, else with its id."""
    if len(rivals) == 1:
        yield key
    services = Counter(map(_describe_service, rivals))
    service = _describe_service(group)
    if service and services[service] == 1:
        yield f"{key}_{service}"
    yield f"{key}_{transliterate(group.id)}"
    yield from (f"{key}_{transliterate(group.id)}_{number}" for number in range(2, 1_000_000))


def _describe_service(group: LiveGroup) -> str:
    return transliterate(read_service(group.destination.fields) or "") if group.destination else ""


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
        f"the account has none of the {len(state.group_ids)} groups in `{escape(state.shown)}`",
        help="use the credentials that Terraform uses for this state",
    )
